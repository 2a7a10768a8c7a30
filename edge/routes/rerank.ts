// POST /v1/rerank and /v2/rerank. Pairs, or texts, are computed, cached and charged like the texts of /v1/embeddings.

import * as z from "zod";
import type { Context } from "../context.ts";
import { RERANK_METHODS, rerank } from "../endpoints/rerank.ts";
import { SPENDING_ERRORS } from "../openapi/operation.ts";
import { MODEL, count } from "./answers.ts";
import { CALL_HEADERS, SPENDING_HEADERS, USAGE, answerJson, errorItemSchema, usageSchema } from "./call-answer.ts";
import type { Route } from "./route.ts";
import { rerankBodySchema } from "../../shared/schemas/rerank.ts";

const [V1, V2] = [rerank("1"), rerank("2")];

export const rankedSchema = z.object({
  index: count.describe("Which of the documents."),
  relevance_score: z
    .number()
    .min(0)
    .max(1)
    .describe("The reranker's score, or the cosine to the query, negative ones as 0."),
  document: z.looseObject({ text: z.string() }).describe("As it was sent.").optional(),
});

const rerankSchema = z.object({
  id: z.string(),
  object: z.literal("list"),
  method: z
    .enum(RERANK_METHODS)
    .describe("How the documents were scored: by a reranker, or by the cosine of embeddings."),
  results: z.array(rankedSchema).describe("Best first."),
  data: z.array(rankedSchema).describe("The same items, for clients that read this name."),
  errors: z.array(errorItemSchema).optional().describe("Documents at fault: they have no score and no rank."),
  model: z.string(),
  usage: usageSchema,
  meta: z.object({ api_version: z.object({ version: z.string() }), billed_units: z.object({ input_tokens: count }) }),
});

const RERANK_V1: Route = {
  method: "post",
  path: "/v1/rerank",
  id: "rerank",
  tag: "Embeddings",
  summary: "Order documents by how well they answer a query",
  description:
    "For the rerank clients of Cohere (v1), Jina and Voyage. A reranker reads each document together with the query; with an embedding model the score is the cosine (`method` says which). A document over the context loses its end unless `truncation` is false; the query is never cut. Charged by token: a reranker reads the query once for each document. Cached as embeddings are.",
  auth: "call",
  scope: V1.scope,
  parameters: CALL_HEADERS,
  body: {
    name: "RerankRequest",
    schema: rerankBodySchema,
    required: ["query", "documents"],
    example: {
      model: MODEL,
      query: "capital of France",
      documents: ["Paris is in France.", "Bees make honey."],
      top_n: 1,
    },
  },
  answers: {
    200: {
      description: "The documents, best first.",
      name: "Rerank",
      schema: rerankSchema,
      example: {
        id: "req_5Tt8ZKf0s3N6Y1WcQbXo2R",
        object: "list",
        method: "cosine",
        results: [{ index: 0, relevance_score: 0.71 }],
        data: [{ index: 0, relevance_score: 0.71 }],
        model: MODEL,
        usage: USAGE,
        meta: { api_version: { version: "1" }, billed_units: { input_tokens: 4 } },
      },
      headers: SPENDING_HEADERS,
    },
  },
  errors: SPENDING_ERRORS,
  handler: (c) => answerJson(c, V1),
};

export const RERANK: readonly Route[] = [
  RERANK_V1,
  {
    ...RERANK_V1,
    path: "/v2/rerank",
    id: "rerankV2",
    summary: "The same, for Cohere's v2 client",
    handler: (c: Context) => answerJson(c, V2),
  },
];
