// GET /v1/openapi.json and /llms.txt: what is published of the routes.

import type { Context } from "../context.ts";
import { openApiDocument } from "../openapi/document.ts";
import { llmsText } from "../openapi/llms.ts";
import { OPERATIONS } from "./operations.ts";

let text: { readonly origin: string; readonly json: string } | undefined;

export function getOpenApi(c: Context): Response {
  const { origin } = new URL(c.req.url);
  if (text?.origin !== origin) text = { origin, json: JSON.stringify(openApiDocument(origin, OPERATIONS)) };
  c.header("content-type", "application/json; charset=utf-8");
  c.header("cache-control", "public, max-age=300");
  return c.body(text.json);
}

export function getLlms(c: Context): Response {
  c.header("cache-control", "public, max-age=300");
  return c.text(llmsText(new URL(c.req.url).origin, OPERATIONS));
}
