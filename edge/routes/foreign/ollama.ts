// POST /api/embed, POST /api/embeddings and GET /api/tags, for Ollama's clients.

import * as z from "zod";
import type { Context } from "../../context.ts";
import { embeddings } from "../../endpoints/embeddings.ts";
import {
  OLLAMA,
  ollamaEmbed,
  ollamaEmbedSchema,
  ollamaEmbeddings,
  ollamaEmbeddingsSchema,
} from "../../foreign/ollama.ts";
import { SPENDING_ERRORS } from "../../openapi/operation.ts";
import { MODEL, count } from "../answers.ts";
import { CALL_HEADERS, SPENDING_HEADERS } from "../call-answer.ts";
import { describeModel } from "../models.ts";
import type { Route } from "../route.ts";
import { foreignEmbeddings } from "./foreign-answer.ts";

const vector = z.array(z.number());

const CALL = {
  method: "post",
  tag: "Other vendors' forms",
  vendor: OLLAMA,
  auth: "call",
  scope: embeddings.scope,
  parameters: CALL_HEADERS,
  errors: SPENDING_ERRORS,
} as const;

export const OLLAMA_ROUTES: readonly Route[] = [
  {
    ...CALL,
    path: "/api/embed",
    id: "ollamaEmbed",
    summary: "Embed texts, in Ollama's form",
    description:
      "A text over the model's context loses its end unless `truncate` is false, as with Ollama. Queries: the model as `NAME:query`.",
    body: {
      name: "OllamaEmbedRequest",
      schema: ollamaEmbedSchema,
      required: ["input"],
      example: { model: MODEL, input: ["Hello", "How are you?"] },
    },
    answers: {
      200: {
        description: "Vectors in the order of the input.",
        name: "OllamaEmbeddings",
        schema: z.object({
          model: z.string(),
          embeddings: z.array(vector),
          total_duration: count.describe("Nanoseconds."),
          load_duration: z.literal(0),
          prompt_eval_count: count.describe("Tokens that the model read."),
        }),
        example: {
          model: MODEL,
          embeddings: [[0.5, -0.5, 0.5, -0.5]],
          total_duration: 14_000_000,
          load_duration: 0,
          prompt_eval_count: 4,
        },
        headers: SPENDING_HEADERS,
      },
    },
    handler: (c: Context) => foreignEmbeddings(c, ollamaEmbed),
  },
  {
    ...CALL,
    path: "/api/embeddings",
    id: "ollamaEmbeddings",
    summary: "Embed one text, in Ollama's older form",
    body: {
      name: "OllamaEmbeddingsRequest",
      schema: ollamaEmbeddingsSchema,
      required: ["prompt"],
      example: { model: MODEL, prompt: "Hello" },
    },
    answers: {
      200: {
        description: "The vector.",
        name: "OllamaEmbedding",
        schema: z.object({ embedding: vector }),
        example: { embedding: [0.5, -0.5, 0.5, -0.5] },
        headers: SPENDING_HEADERS,
      },
    },
    handler: (c: Context) => foreignEmbeddings(c, ollamaEmbeddings),
  },
  {
    method: "get",
    path: "/api/tags",
    id: "ollamaTags",
    tag: "Other vendors' forms",
    summary: "Embedding models, in Ollama's form",
    vendor: OLLAMA,
    auth: "optional",
    answers: {
      200: {
        description: "Those that are served. GET /v1/models says more of each.",
        name: "OllamaModels",
        schema: z.object({
          models: z.array(
            z.object({
              name: z.string(),
              model: z.string(),
              modified_at: z.iso.datetime(),
              digest: z.string().describe("The model's revision."),
            }),
          ),
        }),
        example: {
          models: [{ name: MODEL, model: MODEL, modified_at: "2026-11-01T00:00:00.000Z", digest: "0123456789abcdef" }],
        },
      },
    },
    handler: listTags,
  },
];

async function listTags(c: Context): Promise<Response> {
  const all = await Promise.all(c.get("services").models.map((model) => describeModel(c, model)));
  const served = all.filter(({ kind, status }) => kind === "embedding" && status === "live");
  return c.json({
    models: served.map(({ id, created, revision }) => ({
      name: id,
      model: id,
      modified_at: new Date(Number(created) * 1000).toISOString(),
      digest: revision,
    })),
  });
}
