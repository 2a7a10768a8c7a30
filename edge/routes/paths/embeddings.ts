// Routes that embed texts, and the quote for them.

import type { Operation } from "../../openapi/operation.ts";
import { SPENDING_ERRORS, TEXT_ERRORS } from "../../openapi/operation.ts";
import { CALL_HEADERS, SPENDING_HEADERS } from "../../openapi/parameters.ts";
import * as answers from "../answers.ts";
import { MODEL, USAGE } from "../examples.ts";
import { embeddingsBodySchema } from "../../../shared/schemas/embeddings.ts";
import { rerankBodySchema } from "../../../shared/schemas/rerank.ts";
import { similarityBodySchema } from "../../../shared/schemas/similarity.ts";
import { tokenizeBodySchema } from "../../../shared/schemas/tokenize.ts";

const tag = "Embeddings";

const embeddings: Operation = {
  method: "post",
  path: "/v1/embeddings",
  id: "createEmbeddings",
  tag,
  summary: "Embed texts",
  description: "OpenAI-compatible. The charge is the moment the whole result is there; a failed call costs nothing.",
  auth: "key",
  parameters: CALL_HEADERS,
  body: {
    name: "EmbeddingsRequest",
    schema: embeddingsBodySchema,
    required: ["input"],
    example: { model: MODEL, input: ["Hello", "How are you?"], dimensions: 64 },
  },
  answers: {
    200: {
      description: "Vectors in the order of the input.",
      name: "Embeddings",
      schema: answers.embeddings,
      example: {
        object: "list",
        data: [{ object: "embedding", index: 0, embedding: [0.5, -0.5, 0.5, -0.5] }],
        model: MODEL,
        usage: USAGE,
      },
      headers: SPENDING_HEADERS,
    },
  },
  errors: SPENDING_ERRORS,
};

const rerankV1: Operation = {
  method: "post",
  path: "/v1/rerank",
  id: "rerank",
  tag,
  summary: "Order documents by how well they answer a query",
  description:
    "For the rerank clients of Cohere (v1), Jina and Voyage. The query carries the instruction, documents none; a document over the context is read from its beginning unless `truncation` is false. Charged by token, cached as embeddings are.",
  auth: "key",
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
      schema: answers.rerank,
      example: {
        id: "req_5Tt8ZKf0s3N6Y1WcQbXo2R",
        object: "list",
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
};

export const EMBEDDINGS: readonly Operation[] = [
  embeddings,
  { ...embeddings, path: "/embeddings", id: "createEmbeddingsShort", summary: "The same, for clients that drop /v1" },
  {
    method: "post",
    path: "/v1/similarity",
    id: "similarity",
    tag,
    summary: "Cosine similarity of pairs of texts",
    description: "Either `pairs`, or `source` with `targets`.",
    auth: "key",
    parameters: CALL_HEADERS,
    body: {
      name: "SimilarityRequest",
      schema: similarityBodySchema,
      rules: {
        oneOf: [
          {
            required: ["pairs"],
            properties: { source: { type: "null" }, targets: { type: "null" }, pairs: { type: "array" } },
          },
          {
            required: ["source", "targets"],
            properties: { pairs: { type: "null" }, source: { type: "string" }, targets: { type: "array" } },
          },
        ],
      },
      example: { model: MODEL, source: "a cat", targets: ["a kitten", "a car"] },
    },
    answers: {
      200: {
        description: "One cosine a pair, in the order sent.",
        name: "Similarities",
        schema: answers.similarity,
        example: { object: "list", data: [{ index: 0, similarity: 0.83 }], model: MODEL, usage: USAGE },
        headers: SPENDING_HEADERS,
      },
    },
    errors: SPENDING_ERRORS,
  },
  rerankV1,
  { ...rerankV1, path: "/v2/rerank", id: "rerankV2", summary: "The same, for Cohere's v2 client" },
  {
    method: "post",
    path: "/v1/tokenize",
    id: "tokenize",
    tag,
    summary: "Token ids of texts, and a quote",
    description: "Free; one request against the rate limit. Nothing is run.",
    auth: "key",
    parameters: CALL_HEADERS.filter(({ name }) => name === "Prefer" || name === "X-Request-Id"),
    body: {
      name: "TokenizeRequest",
      schema: tokenizeBodySchema,
      required: ["input"],
      example: { model: MODEL, input: "Hello" },
    },
    answers: {
      200: {
        description: "Ids by text, and what embedding them would cost.",
        name: "Tokens",
        schema: answers.tokens,
        example: {
          object: "list",
          data: [{ index: 0, tokens: [9707, 151643], count: 2, fits: true }],
          model: MODEL,
          total_tokens: 2,
          cost_usd: 0.000000016,
          cost_nano_usd: 16,
          batch_cost_nano_usd: 8,
          fits: true,
        },
      },
    },
    errors: TEXT_ERRORS,
  },
];
