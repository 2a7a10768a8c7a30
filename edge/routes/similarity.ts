// POST /v1/similarity. Texts are embedded, cached and charged like those of /v1/embeddings.

import * as z from "zod";
import { similarity } from "../endpoints/similarity.ts";
import { SPENDING_ERRORS } from "../openapi/operation.ts";
import { MODEL, count } from "./answers.ts";
import { CALL_HEADERS, SPENDING_HEADERS, USAGE, answerJson, errorItemSchema, usageSchema } from "./call-answer.ts";
import type { Route } from "./route.ts";
import { similarityBodySchema } from "../../shared/schemas/similarity.ts";

const similaritySchema = z.object({
  object: z.literal("list"),
  data: z.array(z.union([z.object({ index: count, similarity: z.number().min(-1).max(1) }), errorItemSchema])),
  model: z.string(),
  usage: usageSchema,
});

export const SIMILARITY: Route = {
  method: "post",
  path: "/v1/similarity",
  id: "similarity",
  tag: "Embeddings",
  summary: "Cosine similarity of pairs of texts",
  description: "Either `pairs`, or `source` with `targets`.",
  auth: "call",
  scope: similarity.scope,
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
      schema: similaritySchema,
      example: { object: "list", data: [{ index: 0, similarity: 0.83 }], model: MODEL, usage: USAGE },
      headers: SPENDING_HEADERS,
    },
  },
  errors: SPENDING_ERRORS,
  handler: (c) => answerJson(c, similarity),
};
