// GET /docs/NAME, and the same path with `.md`: a guide for people and the same as Markdown. Both were made from one file when the
// assets were built; here only the deployment's origin is put in.

import { accepts } from "hono/accepts";
import { html, raw } from "hono/html";
import type { Env } from "../bindings.ts";
import type { Context } from "../context.ts";
import { readAsset } from "./assets.ts";
import type { Guide } from "./guides.ts";
import { GUIDE_ORIGIN, GUIDES } from "./guides.ts";
import type { Html, Page } from "./layout.ts";
import { respond } from "./layout.ts";

const MARKDOWN = "text/markdown";

/** A docs page: `page` for a browser, or the text of `markdown` for who prefers it by name in `Accept`. */
export async function negotiated(
  c: Context,
  page: () => Page | Promise<Page>,
  markdown: () => string | Promise<string>,
): Promise<Response> {
  const type = accepts(c, { header: "Accept", supports: ["text/html", MARKDOWN], default: "text/html" });
  const response = type === MARKDOWN ? markdownAnswer(c, await markdown()) : await respond(c, await page());
  response.headers.append("vary", "Accept");
  return response;
}

export function markdownAnswer(c: Context, text: string): Response {
  return c.newResponse(text, 200, {
    "content-type": `${MARKDOWN}; charset=utf-8`,
    "cache-control": "public, max-age=60",
    "x-content-type-options": "nosniff",
  });
}

export async function guidePage(env: Env, origin: string, { name, title, description }: Guide): Promise<Page> {
  const text = await readAsset(env, `${name}.html`);
  return {
    title,
    description,
    section: "docs",
    markdown: `/docs/${name}.md`,
    body: html`${guideLinks(name)}
      <article class="guide">${raw(text.replaceAll(GUIDE_ORIGIN, origin))}</article>
      <p class="muted small"><a href="/docs/${name}.md">This page as Markdown</a></p>`,
  };
}

export async function guideMarkdown(env: Env, origin: string, { name }: Guide): Promise<string> {
  return (await readAsset(env, `${name}.md`)).replaceAll(GUIDE_ORIGIN, origin);
}

/** All docs pages. `current`: the name of the guide that is shown; undefined: the reference. */
export function guideLinks(current?: string): Html {
  const link = (path: string, title: string, isCurrent: boolean): Html =>
    html`<a href="${path}" ${isCurrent ? raw('aria-current="page"') : ""}>${title}</a>`;
  return html`<nav class="guides" aria-label="Docs">
    ${link("/docs", "API reference", current === undefined)}
    ${GUIDES.map(({ name, title }) => link(`/docs/${name}`, title, name === current))}
  </nav>`;
}
