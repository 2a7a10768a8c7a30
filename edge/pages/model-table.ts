// Models side by side, a column each: those that are offered here, and others that the published benchmark names.

import { html } from "hono/html";
import type { BenchmarkRow } from "./facts.ts";
import { BENCHMARK, benchmarkRowOf, factsOf } from "./facts.ts";
import type { Html } from "./layout.ts";
import {
  architectureOf,
  dimensionsOf,
  integer,
  isBest,
  isMatryoshka,
  providersOf,
  statusBadge,
  takesInstructions,
  throughputOf,
  usd,
} from "./parts.ts";
import type { PublicModel } from "./public-models.ts";
import { isReranker } from "./public-models.ts";

/** `offered` is absent where the model is not offered here, `published` where the benchmark does not name it. */
export interface ComparedModel {
  readonly id: string;
  readonly name: string;
  readonly offered: PublicModel | undefined;
  readonly published: BenchmarkRow | undefined;
}

export type Row = readonly [label: string, value: (model: ComparedModel) => Html | string];

const UNKNOWN = "–";

/** A row of what only an offered model has. */
function offeredRow(label: string, value: (model: PublicModel) => Html | string): Row {
  return [label, ({ offered }) => (offered === undefined ? UNKNOWN : value(offered))];
}

export const MODEL_ROWS: readonly Row[] = [
  ["Status", ({ offered }) => (offered === undefined ? NOT_OFFERED : statusBadge(offered.status))],
  offeredRow("Kind", (model) => (isReranker(model) ? "reranker" : "embedding")),
  offeredRow("Price / 1M tokens", ({ pricing }) => usd(pricing.price_nano_usd_per_million_tokens)),
  offeredRow("Cached", ({ pricing }) => usd(pricing.hit_price_nano_usd_per_million_tokens)),
  offeredRow("Batch", ({ pricing }) => usd(pricing.batch_price_nano_usd_per_million_tokens)),
  offeredRow("Batch, cached", ({ pricing }) => usd(pricing.batch_hit_price_nano_usd_per_million_tokens)),
  ["Context", ({ offered, published }) => tokens(offered?.context_length ?? published?.contextTokens)],
  offeredRow("Dimensions", dimensionsOf),
  offeredRow("Matryoshka", (model) => (isMatryoshka(model) ? "yes" : "no")),
  ["Parameters", ({ id, published }) => factsOf(id)?.parameters ?? published?.parameters ?? UNKNOWN],
  [
    "Architecture",
    ({ offered, published }) => (offered && architectureOf(offered)) ?? published?.architecture ?? UNKNOWN,
  ],
  ["Languages", ({ id }) => factsOf(id)?.languages ?? UNKNOWN],
  offeredRow("Instructions", (model) => (takesInstructions(model) ? "yes, for queries" : "no")),
  offeredRow("Licence", (model) => model.license),
  offeredRow("API providers", (model) => String(providersOf(model))),
  offeredRow("Throughput", throughputOf),
];

/** A row for each column of the benchmark. */
export const BENCHMARK_ROWS: readonly Row[] = BENCHMARK.columns.map((column, index) => [
  `C-MTEB: ${column}`,
  ({ published }) => score(published?.scores?.[index], index),
]);

const NOT_OFFERED = html`<span class="badge" data-status="not_offered">Not offered</span>`;

function tokens(count: number | undefined): string {
  return count === undefined ? UNKNOWN : `${integer(count)} tokens`;
}

function score(value: number | undefined, column: number): Html | string {
  if (value === undefined) return UNKNOWN;
  return isBest(value, column) ? html`<b>${value.toFixed(2)}</b>` : value.toFixed(2);
}

export function offeredModels(models: readonly PublicModel[]): readonly ComparedModel[] {
  return models.map((offered) => ({
    id: offered.id,
    name: offered.name,
    offered,
    published: benchmarkRowOf(offered.id),
  }));
}

/** The offered ones first, in their order. */
export function allModels(models: readonly PublicModel[]): readonly ComparedModel[] {
  const others = BENCHMARK.rows.filter(({ id }) => models.every((model) => model.id !== id));
  return [
    ...offeredModels(models),
    ...others.map((published) => ({ id: published.id, name: published.name, offered: undefined, published })),
  ];
}

export function modelTable(models: readonly ComparedModel[], rows: readonly Row[]): Html {
  return html`<div class="table-scroll" id="compare" tabindex="0" role="region" aria-label="Models compared">
    <table class="data compare">
      <caption class="visually-hidden">
        Models compared
      </caption>
      <thead>
        <tr>
          <td></td>
          ${models.map(({ id, name, offered }) => html`<th scope="col">${offered === undefined ? name : html`<a href="/models/${id}">${name}</a>`}<br /><code>${id}</code></th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
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
