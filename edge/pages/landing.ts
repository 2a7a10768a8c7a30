// GET /: what this is, in one screen.

import { html } from "hono/html";
import type { Html, Page } from "./layout.ts";
import { codeTabs, integer, statusBadge, usd } from "./parts.ts";
import type { PublicModel } from "./public-models.ts";
import { isReranker } from "./public-models.ts";
import { snippetsOf } from "./snippets.ts";

interface Point {
  readonly title: string;
  readonly text: string;
}

function pointsOf(model: PublicModel | undefined): readonly Point[] {
  const hit =
    model === undefined ? "" : `, at ${usd(model.pricing.hit_price_nano_usd_per_million_tokens)} per million tokens`;
  return [
    {
      title: "Your client works",
      text: "OpenAI’s routes and shapes: change the base URL and the model. Cohere’s, Gemini’s, Jina’s, Ollama’s, TEI’s and Voyage’s work too.",
    },
    {
      title: "Prepaid and exact",
      text: "Credit first, no surprise bill. A failed call is never charged; usage adds up to the ledger to the nano-dollar.",
    },
    {
      title: "Repeats cost less",
      text: `A text that is in your account’s cache is answered bit for bit the same${hit}.`,
    },
    {
      title: "Your texts stay yours",
      text: "No text of a call is stored or logged. Cache names are keyed hashes that nobody can probe from outside.",
    },
  ];
}

export function landingPage(origin: string, models: readonly PublicModel[]): Page {
  const [first] = models;
  const live = models.find((model) => model.status === "live" && !isReranker(model)) ?? first;
  return {
    title: "Embedding API",
    description: "A prepaid, OpenAI-compatible embedding API for open Qwen3 embedding models.",
    section: "home",
    body: html`<section class="hero">
        <h1>Open embedding models behind the API you already use</h1>
        <p class="lead">
          ${first === undefined ? "" : priceLine(first)} Prepaid, OpenAI-compatible, up to
          ${integer(Math.max(0, ...models.map((model) => model.context_length)))} tokens a text.
        </p>
        <p class="actions">
          <a class="button primary" href="/models">See the models</a>
          <a class="button" href="/playground">Try it with your texts</a>
        </p>
      </section>
      <section class="points" aria-label="Why">
        ${pointsOf(first).map(
          ({ title, text }) =>
            html`<div>
              <h2>${title}</h2>
              <p>${text}</p>
            </div>`,
        )}
      </section>
      ${live === undefined ? "" : firstCall(origin, live)} ${modelList(models)}`,
  };
}

function priceLine({ pricing }: PublicModel): Html {
  return html`<b>${usd(pricing.price_nano_usd_per_million_tokens)}</b> per million tokens,
    ${usd(pricing.batch_price_nano_usd_per_million_tokens)} in batches.`;
}

function firstCall(origin: string, model: PublicModel): Html {
  return html`<section>
    <h2>First call</h2>
    <p class="muted">
      Put a key into <code>GIGAROUTER_API_KEY</code> (<a href="/dashboard">the dashboard</a> makes them), then paste:
    </p>
    ${codeTabs("first-call", snippetsOf(origin, model))}
  </section>`;
}

function modelList(models: readonly PublicModel[]): Html {
  return html`<section>
    <h2>Models</h2>
    <ul class="model-list">
      ${models.map(
        (model) =>
          html`<li>
            <a href="/models/${model.id}">${model.name}</a> ${statusBadge(model.status)}
            <span class="muted"
              >${usd(model.pricing.price_nano_usd_per_million_tokens)} / 1M tokens · ${integer(model.context_length)}
              tokens · ${sizeOf(model)}</span
            >
          </li>`,
      )}
    </ul>
  </section>`;
}

function sizeOf(model: PublicModel): string {
  if (isReranker(model)) return "reranker";
  return model.native_dimensions === 0 ? "dimensions as served" : `${integer(model.native_dimensions)} dimensions`;
}
