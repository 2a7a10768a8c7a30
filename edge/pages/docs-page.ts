// GET /docs: the published OpenAPI document, shown by Scalar's reference from our own files (vendor/scalar.js).

import { html } from "hono/html";
import { guideLinks } from "./guide-page.ts";
import type { Page } from "./layout.ts";

/** None of Scalar's services is used: no proxy, fonts, client or telemetry. The page's policy blocks them too. */
const CONFIGURATION = JSON.stringify({
  url: "/v1/openapi.json",
  withDefaultFonts: false,
  hideClientButton: true,
  hideTestRequestButton: false,
  documentDownloadType: "json",
  telemetry: false,
  defaultOpenAllTags: false,
  hideModels: true,
  authentication: { preferredSecurityScheme: "key" },
  theme: "default",
});

export function docsPage(): Page {
  return {
    title: "API reference",
    description: "Every route, field and error of the API.",
    section: "docs",
    scripts: ["scalar.js"],
    styles: "docs.css",
    makesStyles: true,
    markdown: "/docs.md",
    body: html`${guideLinks()}
      <h1 class="visually-hidden">API reference</h1>
      <noscript
        ><p>
          The reference needs JavaScript. The same as <a href="/docs.md">Markdown</a>, or as
          <a href="/v1/openapi.json">an OpenAPI document</a>.
        </p></noscript
      >
      <script id="api-reference" type="application/json" data-configuration="${CONFIGURATION}"></script>`,
  };
}
