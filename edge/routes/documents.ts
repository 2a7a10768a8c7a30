// GET /v1/openapi.json and /llms.txt: the published documents.

import * as z from "zod";
import type { Context } from "../context.ts";
import { openApiDocument } from "../openapi/document.ts";
import { llmsText } from "../openapi/llms.ts";
import type { Route } from "./route.ts";

/** `table`: all routes, including these. */
export const documentRoutes = (table: () => readonly Route[]): readonly Route[] => [
  {
    method: "get",
    path: "/v1/openapi.json",
    id: "openapi",
    tag: "Service",
    summary: "This document",
    auth: "none",
    answers: {
      200: {
        description: "OpenAPI 3.1.",
        name: "OpenApi",
        schema: z.looseObject({ openapi: z.string() }),
        example: { openapi: "3.1.0" },
      },
    },
    handler: (c) => getOpenApi(c, table()),
  },
  {
    method: "get",
    path: "/llms.txt",
    id: "llms",
    tag: "Service",
    summary: "What an agent needs to know of this API",
    auth: "none",
    answers: { 200: { description: "Plain text.", mediaType: "text/plain" } },
    handler: (c) => getLlms(c, table()),
  },
];

let text: { readonly origin: string; readonly json: string } | undefined;

function getOpenApi(c: Context, routes: readonly Route[]): Response {
  const { origin } = new URL(c.req.url);
  if (text?.origin !== origin) text = { origin, json: JSON.stringify(openApiDocument(origin, routes)) };
  c.header("content-type", "application/json; charset=utf-8");
  c.header("cache-control", "public, max-age=300");
  return c.body(text.json);
}

function getLlms(c: Context, routes: readonly Route[]): Response {
  c.header("cache-control", "public, max-age=300");
  return c.text(llmsText(new URL(c.req.url).origin, routes));
}
