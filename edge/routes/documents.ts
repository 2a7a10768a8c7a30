// GET /v1/openapi.json, /llms.txt and /llms-full.txt: the published documents.

import * as z from "zod";
import type { Context } from "../context.ts";
import { openApiDocument } from "../openapi/document.ts";
import { llmsText } from "../openapi/llms.ts";
import { referenceText } from "../openapi/reference.ts";
import { guideMarkdown } from "../pages/guide-page.ts";
import { GUIDES } from "../pages/guides.ts";
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
    handler: (c) => plainText(c, llmsText(originOf(c), table(), GUIDES)),
  },
  {
    method: "get",
    path: "/llms-full.txt",
    id: "llmsFull",
    tag: "Service",
    summary: "The same, with every page of the docs and the API reference",
    auth: "none",
    answers: { 200: { description: "Plain text.", mediaType: "text/plain" } },
    handler: (c) => getLlmsFull(c, table()),
  },
];

let text: { readonly origin: string; readonly json: string } | undefined;

function getOpenApi(c: Context, routes: readonly Route[]): Response {
  const origin = originOf(c);
  if (text?.origin !== origin) text = { origin, json: JSON.stringify(openApiDocument(origin, routes)) };
  c.header("content-type", "application/json; charset=utf-8");
  c.header("cache-control", "public, max-age=300");
  return c.body(text.json);
}

async function getLlmsFull(c: Context, routes: readonly Route[]): Promise<Response> {
  const origin = originOf(c);
  const guides = await Promise.all(GUIDES.map((guide) => guideMarkdown(c.env, origin, guide)));
  const parts = [llmsText(origin, routes, GUIDES), ...guides, referenceText(origin, routes)];
  return plainText(c, parts.map((part) => part.trim()).join("\n\n---\n\n"));
}

function plainText(c: Context, shown: string): Response {
  c.header("cache-control", "public, max-age=300");
  return c.text(shown);
}

/** Where the deployment is called. */
export function originOf(c: Context): string {
  return new URL(c.req.url).origin;
}
