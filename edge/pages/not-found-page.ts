// The not-found pages.

import { html } from "hono/html";
import type { Page, Section } from "./layout.ts";

export function noSuchPage(): Page {
  return missing(
    "home",
    "No such page",
    "There is no page at this address.",
    html`There is nothing at this address. <a href="/models">Models</a>, <a href="/docs">API reference</a>,
      <a href="/dashboard">dashboard</a>.`,
  );
}

export function unknownModelPage(id: string): Page {
  return missing(
    "models",
    "No such model",
    "This model is not listed.",
    html`There is no <code>${id}</code> here. <a href="/models">All models</a>.`,
  );
}

function missing(section: Section, title: string, description: string, words: ReturnType<typeof html>): Page {
  return {
    title,
    description,
    section,
    status: 404,
    body: html`<h1>${title}</h1>
      <p>${words}</p>`,
  };
}
