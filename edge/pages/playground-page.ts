// GET /playground: the form. Its script embeds the visitor's texts with the session and shows the result.

import { html } from "hono/html";
import type { Session } from "../session/session.ts";
import type { Html, Page } from "./layout.ts";
import type { PublicModel } from "./public-models.ts";
import { STATUS_LABELS, isReranker } from "./public-models.ts";
import { codeBlock } from "./parts.ts";

const EXAMPLE = [
  "How do I reset my password?",
  "I forgot my login details",
  "Change the password of an account",
  "The invoice arrived twice this month",
  "Where can I download my receipt?",
  "A cat sleeps on the warm windowsill",
  "Kittens love the sunny spot by the window",
];

const QUERY = "How do I reset my password?";
const DOCUMENTS = [
  "Our office in Bern is closed on Sundays.",
  "Open Settings, then Security, then Reset password.",
  "Passwords have at least twelve characters.",
  "The invoice is sent on the first of the month.",
];

export function playgroundPage(session: Session | undefined, models: readonly PublicModel[]): Page {
  const isSignedIn = session !== undefined;
  const embedding = models.filter((model) => !isReranker(model));
  return {
    title: "Playground",
    description: "How similar a model finds your texts, what fewer dimensions change, and how documents rank.",
    section: "playground",
    scripts: ["playground.js"],
    isPrivate: true,
    body: html`<h1>Playground</h1>
      <p class="lead">
        How similar a model finds your texts, what shorter vectors change, and how documents rank for a query.
      </p>
      ${
        isSignedIn
          ? ""
          : html`<p class="note">
              This is what a call looks like. <a href="/dashboard">Sign in</a> with an API key to send your own texts:
              seven short ones cost less than a millionth of a dollar.
            </p>`
      }
      <div class="tabs">
        <fieldset class="tab-list">
          <legend class="visually-hidden">What to try</legend>
          <label><input type="radio" name="tab" value="similarity" checked /><span>Similarity</span></label>
          <label><input type="radio" name="tab" value="rerank" /><span>Rerank</span></label>
        </fieldset>
        <div class="tab" data-tab="similarity">
          ${embedForm(embedding, isSignedIn)}
          <p class="fault" id="fault" role="alert" hidden></p>
          <h2>The request</h2>
          <div id="request">${codeBlock("", "Request")}</div>
          <div id="results" hidden></div>
        </div>
        <div class="tab" data-tab="rerank">
          ${rerankForm(models.filter(isReranker), embedding, isSignedIn)}
          <p class="fault" id="rerank-fault" role="alert" hidden></p>
          <h2>The request</h2>
          <div id="rerank-request">${codeBlock("", "Rerank request")}</div>
          <div id="rerank-results" hidden></div>
        </div>
      </div>`,
  };
}

function embedForm(models: readonly PublicModel[], isSignedIn: boolean): Html {
  return html`<form id="embed" class="playground-form" data-signed-in="${String(isSignedIn)}">
    <label for="texts">Texts, one a line</label>
    <textarea id="texts" name="texts" rows="8" spellcheck="false">${EXAMPLE.join("\n")}</textarea>
    <div class="row">
      <label
        >Model
        <select name="model">
          ${options(models)}
        </select></label
      >
      <label
        >The texts are
        <select name="input_type">
          <option value="">documents, or just texts</option>
          <option value="query">queries</option>
        </select></label
      >
      <button class="primary" type="submit">Embed</button>
    </div>
  </form>`;
}

function rerankForm(rerankers: readonly PublicModel[], embedding: readonly PublicModel[], isSignedIn: boolean): Html {
  return html`<form id="rerank" class="playground-form" data-signed-in="${String(isSignedIn)}">
    <label for="query">Query</label>
    <input id="query" name="query" value="${QUERY}" spellcheck="false" />
    <label for="documents">Documents, one a line</label>
    <textarea id="documents" name="documents" rows="6" spellcheck="false">${DOCUMENTS.join("\n")}</textarea>
    <div class="row">
      <label
        >Reranker
        <select name="reranker">
          ${options(rerankers)}
          <option value="">none</option>
        </select></label
      >
      <label
        >Cosine of embeddings
        <select name="embedding">
          ${options(embedding)}
          <option value="">none</option>
        </select></label
      >
      <button class="primary" type="submit">Rank</button>
    </div>
  </form>`;
}

/** A browser chooses the first that can be called. */
function options(models: readonly PublicModel[]): readonly Html[] {
  return models.map(
    ({ id, name, status, pricing }) =>
      html`<option
        value="${id}"
        data-price="${pricing.price_nano_usd_per_million_tokens}"
        ${status === "live" ? "" : html`disabled`}
      >
        ${name}${status === "live" ? "" : ` (${STATUS_LABELS[status].toLowerCase()})`}
      </option>`,
  );
}
