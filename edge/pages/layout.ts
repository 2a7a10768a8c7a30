// The frame of every page, and its headers. One style sheet, scripts only from our own origin, nothing inline (so the
// policy needs no nonce), nothing from third parties.

import { html, raw } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";
import type { Context } from "../context.ts";
import { assetUrl } from "./assets.ts";

export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

export interface Page {
  /** The tab's title; the product's name is added. */
  readonly title: string;
  readonly description: string;
  readonly section: Section;
  /** Scripts by their names in the sources, loaded as modules. */
  readonly scripts?: readonly string[];
  /** The path of the same page as Markdown. */
  readonly markdown?: string;
  readonly body: Html;
  readonly status?: 200 | 400 | 401 | 404 | 429 | 503;
  /** The style sheet, by its name in the sources. Default: `site.css`. */
  readonly styles?: string;
  /** For a vendored library that makes style elements. Scripts still come from our own origin. */
  readonly makesStyles?: boolean;
  /** The page depends on the visitor: no cache may keep it. */
  readonly isPrivate?: boolean;
}

export type Section = "home" | "models" | "playground" | "docs" | "dashboard";

const NAVIGATION: readonly { readonly section: Section; readonly href: string; readonly label: string }[] = [
  { section: "models", href: "/models", label: "Models" },
  { section: "playground", href: "/playground", label: "Playground" },
  { section: "docs", href: "/docs", label: "Docs" },
  { section: "dashboard", href: "/dashboard", label: "Dashboard" },
];

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Headers of every page. Caches may keep a public page for a minute, as long as a new price takes to be in force. */
function headersOf(page: Page): Record<string, string> {
  const isKept = page.isPrivate !== true && (page.status ?? 200) === 200;
  return {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy":
      page.makesStyles === true
        ? CONTENT_SECURITY_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
        : CONTENT_SECURITY_POLICY,
    "cache-control": isKept ? "public, max-age=60" : "no-store",
    "referrer-policy": "strict-origin-when-cross-origin",
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
  };
}

/** The response for `page`. */
export async function respond(c: Context, page: Page): Promise<Response> {
  const [styles, icon, ...scripts] = await Promise.all(
    [page.styles ?? "site.css", "icon.svg", "site.js", ...(page.scripts ?? [])].map((name) => assetUrl(c.env, name)),
  );
  const document = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>${page.title} · gigarouter embeddings</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="description" content="${page.description}" />
        <meta name="color-scheme" content="light dark" />
        <link rel="stylesheet" href="${styles}" />
        <link rel="icon" href="${icon}" type="image/svg+xml" />
        ${page.markdown === undefined ? "" : html`<link rel="alternate" href="${page.markdown}" type="text/markdown" />`}
        ${scripts.map((url) => html`<script type="module" src="${url}"></script>`)}
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        <header class="site-header">
          <div class="bar">
            <a class="wordmark" href="/"
              >${raw(MARK)}<span>gigarouter <b>embeddings</b></span></a
            >
            <nav aria-label="Site">
              ${NAVIGATION.map(
                ({ section, href, label }) =>
                  html`<a href="${href}" ${section === page.section ? raw('aria-current="page"') : ""}>${label}</a>`,
              )}
            </nav>
          </div>
        </header>
        <main id="main" tabindex="-1">${page.body}</main>
        <footer class="site-footer">
          <div class="bar">
            <p>Prepaid. Failed calls are never charged.</p>
            <nav aria-label="More">
              <a href="/v1/openapi.json">OpenAPI</a>
              <a href="/llms.txt">llms.txt</a>
              <a href="/docs/errors">Errors</a>
              <a href="/status">Status</a>
              <a href="/terms">Terms</a>
              <a href="/privacy">Privacy</a>
              <a href="/contact">Contact</a>
            </nav>
          </div>
        </footer>
      </body>
    </html>`;
  return c.newResponse(String(document), page.status ?? 200, headersOf(page));
}

/** Three vectors from one origin. */
const MARK = `<svg class="mark" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path d="M4 20 20 15M4 20 15 4M4 20V6" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round"/><circle cx="20" cy="15" r="2.2" fill="currentColor"/><circle cx="15" cy="4" r="2.2" fill="currentColor"/><circle cx="4" cy="5" r="2.2" fill="currentColor"/></svg>`;
