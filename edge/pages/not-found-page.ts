// What is not there, for people.

import { html } from "hono/html";
import type { Page } from "./layout.ts";

export function noSuchPage(): Page {
  return {
    title: "No such page",
    description: "There is no page at this address.",
    section: "home",
    status: 404,
    body: html`<h1>No such page</h1>
      <p>
        There is nothing at this address. <a href="/models">Models</a>, <a href="/docs">API reference</a>,
        <a href="/dashboard">dashboard</a>.
      </p>`,
  };
}

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
