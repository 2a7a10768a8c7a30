// GET /models: compares the catalogue's models.

import { html } from "hono/html";
import { factsOf } from "./facts.ts";
import type { Html, Page } from "./layout.ts";
import { benchmarkTable, integer, providersOf, statusBadge, throughputOf, usd } from "./parts.ts";
import type { PublicModel } from "./public-models.ts";
import { isReranker } from "./public-models.ts";

export function modelsPage(models: readonly PublicModel[]): Page {
  return {
    title: "Models",
    description: "Every model: price, context, dimensions, licence, status, side by side.",
    section: "models",
    body: html`<h1>Models</h1>
      <p class="lead">
        Every model behind one API. Prices are per million tokens; a repeated text costs the cached price.
      </p>
      ${compareTable(models)}
      <section id="benchmark">
        <h2>How good they are</h2>
        ${benchmarkTable(models[0]?.id ?? "")}
      </section>`,
  };
}

type Row = readonly [label: string, value: (model: PublicModel) => Html | string];

const ROWS: readonly Row[] = [
  ["Status", (model) => statusBadge(model.status)],
  ["Kind", (model) => (isReranker(model) ? "reranker" : "embedding")],
  ["Price / 1M tokens", ({ pricing }) => usd(pricing.price_nano_usd_per_million_tokens)],
  ["Cached", ({ pricing }) => usd(pricing.hit_price_nano_usd_per_million_tokens)],
  ["Batch", ({ pricing }) => usd(pricing.batch_price_nano_usd_per_million_tokens)],
  ["Batch, cached", ({ pricing }) => usd(pricing.batch_hit_price_nano_usd_per_million_tokens)],
  ["Context", (model) => `${integer(model.context_length)} tokens`],
  ["Dimensions", dimensionsOf],
  ["Parameters", (model) => factsOf(model.id)?.parameters ?? "as served"],
  ["Architecture", (model) => factsOf(model.id)?.architecture ?? "Qwen3 transformer (decoder)"],
  ["Languages", (model) => factsOf(model.id)?.languages ?? "see its card"],
  ["Instructions", (model) => (factsOf(model.id)?.isInstructionAware === false ? "no" : "yes, for queries")],
  ["Matryoshka", (model) => (isReranker(model) || factsOf(model.id)?.isMatryoshka === false ? "no" : "yes")],
  ["Licence", (model) => model.license],
  ["API providers", (model) => String(providersOf(model))],
  ["Throughput", throughputOf],
];

function dimensionsOf(model: PublicModel): string {
  if (isReranker(model)) return "none: scores";
  return model.native_dimensions === 0 ? "as served" : `1 to ${integer(model.native_dimensions)}`;
}

function compareTable(models: readonly PublicModel[]): Html {
  return html`<div class="table-scroll" id="compare" tabindex="0" role="region" aria-label="Models compared">
    <table class="data compare">
      <caption class="visually-hidden">
        Models compared
      </caption>
      <thead>
        <tr>
          <td></td>
          ${models.map(
            (model) =>
              html`<th scope="col"><a href="/models/${model.id}">${model.name}</a><br /><code>${model.id}</code></th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${ROWS.map(
          ([label, value]) =>
            html`<tr>
              <th scope="row">${label}</th>
              ${models.map((model) => html`<td>${value(model)}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
