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

export function playgroundPage(session: Session | undefined, models: readonly PublicModel[]): Page {
  return {
    title: "Playground",
    description: "How similar a model finds your texts, and what fewer dimensions change.",
    section: "playground",
    scripts: ["playground.js"],
    isPrivate: true,
    body: html`<h1>Playground</h1>
      <p class="lead">How similar a model finds your texts, and what shorter vectors change.</p>
      ${
        session === undefined
          ? html`<p class="note">
              This is what a call looks like. <a href="/dashboard">Sign in</a> with an API key to send your own texts:
              seven short ones cost less than a millionth of a dollar.
            </p>`
          : ""
      }
      ${form(models, session !== undefined)}
      <p class="fault" id="fault" role="alert" hidden></p>
      <h2>The request</h2>
      <div id="request">${codeBlock("", "Request")}</div>
      <div id="results" hidden></div>`,
  };
}

function form(models: readonly PublicModel[], isSignedIn: boolean): Html {
  return html`<form id="embed" class="playground-form" data-signed-in="${String(isSignedIn)}">
    <label for="texts">Texts, one a line</label>
    <textarea id="texts" name="texts" rows="8" spellcheck="false">${EXAMPLE.join("\n")}</textarea>
    <div class="row">
      <label
        >Model
        <select name="model">
          ${models
            .filter((model) => !isReranker(model))
            .map(
              (model) =>
                html`<option
                  value="${model.id}"
                  data-price="${model.pricing.price_nano_usd_per_million_tokens}"
                  ${model.status === "live" ? "" : html`disabled`}
                >
                  ${model.name}${model.status === "live" ? "" : ` (${STATUS_LABELS[model.status].toLowerCase()})`}
                </option>`,
            )}
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
