// The playground: one call for all texts; everything else is computed here from the full vectors. A visitor who is not
// signed in sees the request and a stored answer to the page's own texts.

import { render } from "preact";
import { sentenceOf } from "./api.ts";
import { find, say } from "./dom.ts";
import { askOf, embed, requestText, sampleRun } from "./playground-call.ts";
import type { Run } from "./playground-call.ts";
import { startRerank } from "./playground-rerank.tsx";
import { PlaygroundResult } from "./playground-result.tsx";
import { SAMPLE } from "./sample-answer.ts";

const form = find("#embed", HTMLFormElement);
const results = find("#results", HTMLElement);
const isSignedIn = form.dataset["signedIn"] === "true";
form.addEventListener("submit", (event) => {
  event.preventDefault();
  void run();
});
form.addEventListener("input", showRequest);
showRequest();
if (!isSignedIn) showSample();
startRerank();

function showRequest(): void {
  find("#request code", HTMLElement).textContent = requestText(askOf(form));
}

function showSample(): void {
  const texts = find("textarea", HTMLTextAreaElement, form).defaultValue.trim().split("\n");
  const price = form.querySelector(`option[value="${SAMPLE.model}"]`)?.getAttribute("data-price");
  show(sampleRun(texts, Number(price ?? 0)));
}

async function run(): Promise<void> {
  say("#fault", isSignedIn ? "" : "Sign in (Dashboard) to send this request. Below is a sample answer.");
  if (!isSignedIn) return;
  const button = find("button", HTMLButtonElement, form);
  button.disabled = true;
  try {
    show(await embed(askOf(form)));
  } catch (error) {
    say("#fault", sentenceOf(error));
  } finally {
    button.disabled = false;
  }
}

let shown = 0;

function show(made: Run): void {
  shown += 1;
  // A new key resets the slider to full length.
  render(<PlaygroundResult key={shown} run={made} />, results);
  results.hidden = false;
}
