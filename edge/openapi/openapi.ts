// GET /v1/openapi.json.

import type { Context } from "../context.ts";
import { openApiDocument } from "./document.ts";

let text: { readonly origin: string; readonly json: string } | undefined;

export function getOpenApi(c: Context): Response {
  const { origin } = new URL(c.req.url);
  if (text?.origin !== origin) text = { origin, json: JSON.stringify(openApiDocument(origin)) };
  c.header("content-type", "application/json; charset=utf-8");
  c.header("cache-control", "public, max-age=300");
  return c.body(text.json);
}
