// GET /models/{owner}/{name}: a model on one page, with all that a buyer needs to decide.

import { html } from "hono/html";
import type { ModelFacts } from "./facts.ts";
import { benchmarkRowOf, factsOf } from "./facts.ts";
import type { Html, Page } from "./layout.ts";
import { modelQuestions } from "./model-questions.ts";
import {
  architectureOf,
  benchmarkTable,
  codeTabs,
  dimensionsOf,
  integer,
  isMatryoshka,
  providersOf,
  statusBadge,
  throughputOf,
  usd,
} from "./parts.ts";
import type { PublicModel } from "./public-models.ts";
import { isReranker } from "./public-models.ts";
import { snippetsOf } from "./snippets.ts";

export interface ModelPageInput {
  readonly origin: string;
  readonly model: PublicModel;
  /** All models, including the page's own. */
  readonly models: readonly PublicModel[];
  /** The visitor has just asked for this model. */
  readonly isWanted: boolean;
}

export function modelPage({ origin, model, models, isWanted }: ModelPageInput): Page {
  const facts = factsOf(model.id);
  return {
    title: model.name,
    description: model.description,
    section: "models",
    scripts: ["model.js"],
    isPrivate: isWanted,
    body: html`<nav class="crumbs" aria-label="Breadcrumb"><a href="/models">Models</a> / ${model.owned_by}</nav>
      <div class="model-head">
        <h1>${model.name} ${statusBadge(model.status)}</h1>
        <p class="id" data-copy-inline><code>${model.id}</code></p>
        <p class="lead">${model.description}</p>
      </div>
      ${headline(model, facts)}
      <div class="columns">
        <div>
          ${model.status === "live" ? "" : wantForm(model, isWanted)} ${aboutSection(model, facts)}
          <section id="call">
            <h2>Call it</h2>
            <p class="muted">
              With a key in <code>GIGAROUTER_API_KEY</code>.
              ${isReranker(model) ? "Cohere’s, Jina’s and Voyage’s rerank clients work" : "Any OpenAI client works"}:
              set its base URL.
            </p>
            ${codeTabs("snippet", snippetsOf(origin, model))}
          </section>
          ${modelQuestions(model, facts)} ${relatedSection(model, models, facts)}
        </div>
        <aside aria-label="Specifications and price">${priceSection(model)} ${specifications(model, facts)}</aside>
      </div>
      ${
        benchmarkRowOf(model.id)?.scores !== undefined
          ? html`<section id="benchmark">
              <h2>Benchmark</h2>
              ${benchmarkTable(model.id)}
            </section>`
          : ""
      }`,
  };
}

function headline(model: PublicModel, facts: ModelFacts | undefined): Html {
  const figures: readonly (readonly [string, string])[] = [
    [usd(model.pricing.price_nano_usd_per_million_tokens), "per 1M tokens"],
    [integer(model.context_length), "tokens of context"],
    isReranker(model)
      ? ["0 to 1", "a score for each document"]
      : [
          model.native_dimensions === 0 ? "–" : integer(model.native_dimensions),
          isMatryoshka(model) ? "dimensions, or any fewer" : "dimensions",
        ],
    [String(providersOf(model)), providersOf(model) === 1 ? "API provider" : "API providers so far"],
    ...(facts?.downloadsPerMonth === undefined
      ? []
      : [[integer(facts.downloadsPerMonth), "downloads a month"] as const]),
  ];
  return html`<dl class="figures">
    ${figures.map(
      ([value, label]) =>
        html`<div>
          <dt>${label}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

function wantForm(model: PublicModel, isWanted: boolean): Html {
  if (isWanted) {
    return html`<p class="note good" id="want" role="status">Noted. You count once, and we see the count.</p>`;
  }
  return html`<form class="note want" id="want" method="post" action="/models/${model.id}/want">
    <p><b>Not served yet.</b> Tell us you want it: no sign-up, counted once a person.</p>
    <button class="primary" type="submit">I want this model</button>
  </form>`;
}

function aboutSection(model: PublicModel, facts: ModelFacts | undefined): Html {
  const about = facts?.about ?? [model.description];
  return html`<section id="about">
      <h2>About</h2>
      ${about.map((paragraph) => html`<p>${paragraph}</p>`)}
    </section>
    ${
      facts === undefined
        ? ""
        : html`<section id="best-for">
            <h2>Best for</h2>
            <ul class="uses">
              ${facts.bestFor.map(({ use, why }) => html`<li><b>${use}</b><span class="muted">${why}</span></li>`)}
            </ul>
          </section>`
    }`;
}

function priceSection(model: PublicModel): Html {
  const { pricing } = model;
  const rows: readonly (readonly [string, number])[] = [
    ["Standard", pricing.price_nano_usd_per_million_tokens],
    ["Standard, cached", pricing.hit_price_nano_usd_per_million_tokens],
    ["Batch", pricing.batch_price_nano_usd_per_million_tokens],
    ["Batch, cached", pricing.batch_hit_price_nano_usd_per_million_tokens],
  ];
  return html`<section class="card" id="price">
    <h2>Price</h2>
    <table class="plain">
      <caption class="visually-hidden">
        USD per million tokens
      </caption>
      ${rows.map(
        ([label, amount]) =>
          html`<tr>
            <th scope="row">${label}</th>
            <td class="num">${usd(amount)} / 1M</td>
          </tr>`,
      )}
    </table>
    ${estimator(model)}
  </section>`;
}

/** Only the page's script shows it: without one the page has only the prices above. */
function estimator(model: PublicModel): Html {
  const { pricing } = model;
  const text = isReranker(model) ? "pair" : "text";
  return html`<form
    class="estimator"
    hidden
    data-price="${pricing.price_nano_usd_per_million_tokens}"
    data-hit="${pricing.hit_price_nano_usd_per_million_tokens}"
    data-batch="${pricing.batch_price_nano_usd_per_million_tokens}"
    data-batch-hit="${pricing.batch_hit_price_nano_usd_per_million_tokens}"
    data-minimum="${pricing.minimum_charge_nano_usd}"
  >
    <h3>Estimate</h3>
    <label
      >${isReranker(model) ? "Pairs" : "Texts"} a month
      <input name="texts" type="number" min="0" max="1000000000000" step="1" value="1000000" inputmode="numeric"
    /></label>
    <label
      >Tokens a ${text} <input name="tokens" type="number" min="1" max="32768" step="1" value="200" inputmode="numeric"
    /></label>
    <label
      >Repeated ${text}s, % <input name="cached" type="number" min="0" max="100" step="1" value="0" inputmode="numeric"
    /></label>
    <label class="check"><input name="batch" type="checkbox" /> in batches</label>
    <p class="result"><output aria-live="polite"></output></p>
  </form>`;
}

function specifications(model: PublicModel, facts: ModelFacts | undefined): Html {
  const { quantization } = facts ?? {};
  const rows: readonly (readonly [string, string | Html])[] = [
    ["Task", facts?.task ?? (isReranker(model) ? "Text reranking" : "Text embedding")],
    ["Architecture", architectureOf(model) ?? "named once live"],
    ["Parameters", facts?.parameters ?? "see its card"],
    ["Context", `${integer(model.context_length)} tokens`],
    ...(isReranker(model)
      ? []
      : ([
          ["Dimensions", dimensionsOf(model)],
          ["Pooling", model.pooling.replaceAll("_", " ")],
        ] as const)),
    ["Languages", facts?.languages ?? "see its card"],
    ["Licence", model.license],
    ["Published", facts?.published ?? "–"],
    ["Updated", facts?.updated ?? "–"],
    ...(facts?.parent === undefined ? [] : [["Made from", hubLink(facts.parent)] as const]),
    ...(quantization === undefined
      ? []
      : ([
          [
            "Weights",
            `${quantization.weights}, ${quantization.method}, groups of ${quantization.groupSize}, ${quantization.activations} activations`,
          ],
          [
            "Memory",
            `${integer(quantization.vramMb)} MB (parent ${integer(quantization.parentVramMb)} MB), ${quantization.vramNote}`,
          ],
        ] as const)),
    ["Throughput", throughputOf(model)],
    ...(model.reproducible === true ? [["Reproducible", "the same text, the same bits"] as const] : []),
    ...(model.float32_distance_max === null
      ? []
      : [
          [
            "Arithmetic",
            `within ${model.float32_distance_max} of float32 (${isReranker(model) ? "score" : "1 − cosine"})`,
          ] as const,
        ]),
    ["Revision", model.revision === null ? "named once live" : html`<code>${model.revision}</code>`],
    ...(facts?.isOnHub === true ? [["Card", hubLink(model.id)] as const] : []),
  ];
  return html`<section class="card" id="specifications">
    <h2>Specifications</h2>
    <dl class="specs">
      ${rows.map(
        ([label, value]) =>
          html`<div>
            <dt>${label}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  </section>`;
}

function relatedSection(model: PublicModel, models: readonly PublicModel[], facts: ModelFacts | undefined): Html {
  const own = models.filter((other) => other.id !== model.id);
  return html`<section id="related">
    <h2>Related</h2>
    <ul class="related">
      ${own.map((other) => html`<li><a href="/models/${other.id}">${other.name}</a> ${statusBadge(other.status)}</li>`)}
      ${(facts?.related ?? []).map(({ id, note }) => html`<li>${hubLink(id)}<br /><span class="muted">${note}</span></li>`)}
    </ul>
    <p><a href="/compare">Compare all models</a></p>
  </section>`;
}

function hubLink(id: string): Html {
  return html`<a href="https://huggingface.co/${id}" rel="noreferrer">${id}</a>`;
}
