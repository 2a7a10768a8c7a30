// GET /models: the models that are offered, side by side.

import { html } from "hono/html";
import type { Page } from "./layout.ts";
import { MODEL_ROWS, modelTable, offeredModels } from "./model-table.ts";
import { benchmarkTable } from "./parts.ts";
import type { PublicModel } from "./public-models.ts";

export function modelsPage(models: readonly PublicModel[]): Page {
  return {
    title: "Models",
    description: "Every model: price, context, dimensions, licence, status, side by side.",
    section: "models",
    body: html`<h1>Models</h1>
      <p class="lead">
        Every model behind one API. Prices are per million tokens; a repeated text costs the cached price.
      </p>
      ${modelTable(offeredModels(models), MODEL_ROWS)}
      <section id="benchmark">
        <h2>How good they are</h2>
        ${benchmarkTable(models[0]?.id ?? "")}
        <p><a href="/compare">Compare all models</a></p>
      </section>`,
  };
}
