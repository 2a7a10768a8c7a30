// POST /v1beta/models/{owner}/{name}:embedContent and :batchEmbedContents, for clients of the Gemini API. Newer ones ask
// for the same under /v1.

import * as z from "zod";
import type { Context } from "../../context.ts";
import { embeddings } from "../../endpoints/embeddings.ts";
import type { EmbeddingsAdapter } from "../../foreign/adapter.ts";
import { GEMINI, geminiBatch, geminiBatchSchema, geminiEmbed, geminiEmbedSchema } from "../../foreign/gemini.ts";
import { SPENDING_ERRORS } from "../../openapi/operation.ts";
import { count } from "../answers.ts";
import { CALL_HEADERS, SPENDING_HEADERS } from "../call-answer.ts";
import { modelNameInPath } from "../models.ts";
import type { Route } from "../route.ts";
import { MODEL_IN_PATH, foreignEmbeddings } from "./foreign-answer.ts";

const PATH = "/v1beta/models/{owner}/{name}";
const NEWER_PATH = "/v1/models/{owner}/{name}";

const valuesSchema = z.object({ values: z.array(z.number()) });
const usageMetadata = z.object({ promptTokenCount: count.describe("Tokens that the model read.") });

const CONTENT = { parts: [{ text: "Hello" }] };
const VALUES = { values: [0.5, -0.5, 0.5, -0.5] };

const CALL = {
  method: "post",
  tag: "Other vendors' forms",
  vendor: GEMINI,
  auth: "call",
  scope: embeddings.scope,
  parameters: [...MODEL_IN_PATH, ...CALL_HEADERS],
  errors: SPENDING_ERRORS,
} as const;

const ROUTES: readonly Route[] = [
  {
    ...CALL,
    path: `${PATH}:embedContent`,
    id: "geminiEmbedContent",
    summary: "Embed one text, in the form of the Gemini API",
    body: {
      name: "GeminiEmbedRequest",
      schema: geminiEmbedSchema,
      required: ["content"],
      example: { content: CONTENT, taskType: "RETRIEVAL_QUERY" },
    },
    answers: {
      200: {
        description: "The vector.",
        name: "GeminiEmbedding",
        schema: z.object({ embedding: valuesSchema, usageMetadata }),
        example: { embedding: VALUES, usageMetadata: { promptTokenCount: 2 } },
        headers: SPENDING_HEADERS,
      },
    },
    handler: (c: Context) => answer(c, geminiEmbed, ":embedContent"),
  },
  {
    ...CALL,
    path: `${PATH}:batchEmbedContents`,
    id: "geminiBatchEmbedContents",
    summary: "Embed texts, in the form of the Gemini API",
    body: {
      name: "GeminiBatchRequest",
      schema: geminiBatchSchema,
      example: { requests: [{ content: CONTENT }, { content: { parts: [{ text: "How are you?" }] } }] },
    },
    answers: {
      200: {
        description: "Vectors in the order of the requests.",
        name: "GeminiEmbeddings",
        schema: z.object({ embeddings: z.array(valuesSchema), usageMetadata }),
        example: { embeddings: [VALUES], usageMetadata: { promptTokenCount: 4 } },
        headers: SPENDING_HEADERS,
      },
    },
    handler: (c: Context) => answer(c, geminiBatch, ":batchEmbedContents"),
  },
];

export const GEMINI_ROUTES: readonly Route[] = [
  ...ROUTES,
  ...ROUTES.map((route) => ({
    ...route,
    path: route.path.replace(PATH, NEWER_PATH),
    id: `${route.id}V1`,
    summary: `${route.summary}'s v1`,
  })),
];

/** The name in the path is matched together with the `method` behind it. */
function answer(c: Context, adapter: EmbeddingsAdapter, method: string): Promise<Response> {
  return foreignEmbeddings(c, adapter, modelNameInPath(c).slice(0, -method.length));
}
