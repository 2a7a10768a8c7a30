// GET /docs/errors: a section for each error code, which error messages link to. The text is docs/errors.md, an asset
// of the deployment; statuses and types come from the table of errors.

import { html } from "hono/html";
import type { Env } from "../bindings.ts";
import { readAsset } from "./assets.ts";
import type { Html, Page } from "./layout.ts";
import { ERRORS, isErrorCode } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";

interface Section {
  readonly code: ErrorCode;
  /** Without status and type. */
  readonly text: string;
}

const SECTION = /^## (\w+)\n+\d+ `\w+`(?:, worth another try)?\. ([^#]+)/gm;

export async function errorsPage(env: Env): Promise<Page> {
  const sections = sectionsOf(await readAsset(env, "errors.md"));
  return {
    title: "Errors",
    description: "Every error code, what it means and what to do.",
    section: "docs",
    body: html`<h1>Errors</h1>
      <p>
        One shape: <code>{"error": {"message", "type", "param", "code", "retry_after_s"?}}</code>. The message says what
        was wrong, where, and what would be right; <code>param</code> names the field or item as you wrote it.
        <b>A failed call is never charged.</b>
      </p>
      ${sections.map(sectionOf)}`,
  };
}

/** The sections of docs/errors.md, in its order. */
function sectionsOf(markdown: string): readonly Section[] {
  return [...markdown.matchAll(SECTION)].flatMap(([, code = "", text = ""]) =>
    isErrorCode(code) ? [{ code, text: text.trim() }] : [],
  );
}

function sectionOf({ code, text }: Section): Html {
  const { status, type, retry } = ERRORS[code];
  return html`<section id="${code}" aria-labelledby="${code}-title">
    <h2 id="${code}-title"><code>${code}</code></h2>
    <p><b>${status}</b> <code>${type}</code>${retry ? ", worth another try" : ""}</p>
    <p>${inline(text)}</p>
  </section>`;
}

/** The Markdown that docs/errors.md uses: code and bold. Its text is escaped. */
function inline(text: string): readonly Html[] {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`")) return html`<code>${part.slice(1, -1)}</code>`;
    return part.startsWith("**") ? html`<b>${part.slice(2, -2)}</b>` : html`${part}`;
  });
}
