// GET /compare: every model that is offered here, and every one that the published benchmark names, side by side.

import { html } from "hono/html";
import { BENCHMARK } from "./facts.ts";
import type { Html, Page } from "./layout.ts";
import type { ComparedModel, Row } from "./model-table.ts";
import { allModels, BENCHMARK_ROWS, MODEL_ROWS, modelTable } from "./model-table.ts";
import type { PublicModel } from "./public-models.ts";

const WANT: Row = ["Want it?", want];

/** `wanted`: the id of a model that the visitor has just asked for. */
export function comparePage(models: readonly PublicModel[], wanted: string | undefined): Page {
  const compared = allModels(models);
  const name = compared.find(({ id }) => id === wanted)?.name;
  return {
    title: "Compare all models",
    description: "Embedding models side by side: price, context, architecture, parameters, C-MTEB scores, status.",
    section: "models",
    isPrivate: name !== undefined,
    body: html`<nav class="crumbs" aria-label="Breadcrumb"><a href="/models">Models</a> / Compare</nav>
      <h1>Compare all models</h1>
      <p class="lead">
        What is offered here, and what people compare it with. A dash means that the figure was not published with the
        model or that it has no price here.
      </p>
      ${
        name === undefined
          ? ""
          : html`<p class="note good" id="want" role="status">Noted: ${name}. You count once, and we see the count.</p>`
      }
      ${modelTable(compared, [...MODEL_ROWS, ...BENCHMARK_ROWS, WANT])}
      <p class="muted small">
        ${BENCHMARK.name}, as published with Qwen3 Embedding; the best of each row is bold.
        ${BENCHMARK.rows.map(({ name: other, note }) => (note === undefined ? "" : `${other}: ${note}.`))}
      </p>`,
  };
}

function want({ id, name, offered }: ComparedModel): Html | string {
  if (offered?.status === "live") return "served";
  return html`<form method="post" action="/models/${id}/want">
    <button type="submit" aria-label="I want it: ${name}">I want it</button>
  </form>`;
}
