// A model that is not listed, for people.

import { html } from "hono/html";
import type { Page } from "./layout.ts";

export function unknownModelPage(id: string): Page {
  return {
    title: "No such model",
    description: "This model is not listed.",
    section: "models",
    status: 404,
    body: html`<h1>No such model</h1>
      <p>There is no <code>${id}</code> here. <a href="/models">All models</a>.</p>`,
  };
}
