// What several pages share: code with tabs, prices, the benchmark table, badges.

import { html, raw } from "hono/html";
import { nanoUsd, formatUsd } from "../../shared/money.ts";
import { BENCHMARK, factsOf } from "./facts.ts";
import type { Html } from "./layout.ts";
import type { PublicModel } from "./public-models.ts";
import { isReranker, STATUS_LABELS } from "./public-models.ts";
import type { Snippet } from "./snippets.ts";

/** Code in tabs without a script: radio buttons, so the arrow keys work. */
export function codeTabs(name: string, snippets: readonly Snippet[]): Html {
  return html`<div class="tabs">
    <fieldset class="tab-list">
      <legend class="visually-hidden">Language</legend>
      ${snippets.map(
        ({ id, label }, index) =>
          html`<label
            ><input type="radio" name="${name}" value="${id}" ${index === 0 ? raw("checked") : ""} /><span
              >${label}</span
            ></label
          >`,
      )}
    </fieldset>
    ${snippets.map(
      ({ id, label, needs, code }) =>
        html`<div class="tab" data-tab="${id}">
          ${needs === undefined ? "" : html`<p class="needs"><code>${needs}</code></p>`}${codeBlock(code, label)}
        </div>`,
    )}
  </div>`;
}

/** Code that can be scrolled by keyboard; the site's script adds a copy button. */
export function codeBlock(code: string, label: string): Html {
  return html`<div class="code" data-copy>
    <pre tabindex="0" role="region" aria-label="${label} code"><code>${code}</code></pre>
  </div>`;
}

export function statusBadge(status: PublicModel["status"]): Html {
  return html`<span class="badge" data-status="${status}">${STATUS_LABELS[status]}</span>`;
}

/** `$0.008` from nano-USD. */
export function usd(amountNanoUsd: number): string {
  return `$${formatUsd(nanoUsd(amountNanoUsd))}`;
}

export function integer(value: number): string {
  return value.toLocaleString("en-US");
}

/** How many providers' APIs have the model: this one, once it serves it. */
export function providersOf(model: PublicModel): number {
  return model.status === "live" ? 1 : 0;
}

/** What it is built as; undefined until a backend says. */
export function architectureOf(model: PublicModel): string | undefined {
  return factsOf(model.id)?.architecture ?? model.architecture ?? undefined;
}

/** Whether a vector's beginning is a vector too. Until a backend says, it is. */
export function isMatryoshka(model: PublicModel): boolean {
  const { min, max } = model.permitted_dimensions;
  return !isReranker(model) && (min !== max || max === 0);
}

export function takesInstructions({ prompts, default_query_instruction: instruction }: PublicModel): boolean {
  return prompts === null ? instruction !== null : prompts.instruction !== null;
}

/** The lengths that a vector may have. */
export function dimensionsOf(model: PublicModel): string {
  if (isReranker(model)) return "none: scores";
  if (model.native_dimensions === 0) return "as served";
  const native = integer(model.native_dimensions);
  return isMatryoshka(model) ? `1 to ${native}` : native;
}

/** As measured by a ready backend. */
export function throughputOf(model: PublicModel): string {
  if (model.status !== "live") return "measured once live";
  const measured = model.throughput_tokens_per_second;
  return measured === null ? "not measured yet" : `${integer(Math.round(measured))} tokens/s, measured here`;
}

/** The published benchmark; `highlight`: the row of the page's model. */
export function benchmarkTable(highlight: string): Html {
  return html`<div class="table-scroll" tabindex="0" role="region" aria-label="${BENCHMARK.name}">
    <table class="data">
      <caption>
        ${BENCHMARK.name}. Higher is better; the best of each column is bold.
      </caption>
      <thead>
        <tr>
          <th scope="col">Model</th>
          <th scope="col" class="num">Params</th>
          ${BENCHMARK.columns.map((column) => html`<th scope="col" class="num">${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${BENCHMARK.rows.map(({ id, name, parameters, scores }) =>
          scores === undefined
            ? ""
            : html`<tr class="${id === highlight ? "own" : ""}">
                <th scope="row">${name}</th>
                <td class="num">${parameters}</td>
                ${scores.map(
                  (score, column) =>
                    html`<td class="num">
                      ${isBest(score, column) ? html`<b>${score.toFixed(2)}</b>` : score.toFixed(2)}
                    </td>`,
                )}
              </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Whether nobody has a higher score in the benchmark's `column`. */
export function isBest(score: number, column: number): boolean {
  return BENCHMARK.rows.every(({ scores }) => (scores?.[column] ?? 0) <= score);
}
