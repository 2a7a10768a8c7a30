// POST /v2/embed, for Cohere's clients.

import * as z from "zod";
import type { Context } from "../../context.ts";
import { embeddings } from "../../endpoints/embeddings.ts";
import { COHERE, COHERE_TYPES, cohereEmbed, cohereEmbedSchema } from "../../foreign/cohere.ts";
import { SPENDING_ERRORS } from "../../openapi/operation.ts";
import { MODEL, count } from "../answers.ts";
import { CALL_HEADERS, SPENDING_HEADERS } from "../call-answer.ts";
import type { Route } from "../route.ts";
import { foreignEmbeddings } from "./foreign-answer.ts";

const vectorsOf = (type: (typeof COHERE_TYPES)[number]) => {
  if (type === "base64") return z.array(z.string());
  return z.array(z.array(type === "float" ? z.number() : z.int()));
};

export const COHERE_EMBED: Route = {
  method: "post",
  path: "/v2/embed",
  id: "cohereEmbed",
  tag: "Other vendors' forms",
  summary: "Embed texts, in the form of Cohere's v2",
  description:
    "A text over the model's context loses its end unless `truncate` is `NONE`, as with Cohere. All types of one call are made from one computation.",
  vendor: COHERE,
  auth: "call",
  scope: embeddings.scope,
  parameters: CALL_HEADERS,
  body: {
    name: "CohereEmbedRequest",
    schema: cohereEmbedSchema,
    rules: {
      oneOf: [
        { required: ["texts"], properties: { texts: { type: "array" }, inputs: { type: "null" } } },
        { required: ["inputs"], properties: { inputs: { type: "array" }, texts: { type: "null" } } },
      ],
    },
    example: {
      model: MODEL,
      texts: ["Hello", "How are you?"],
      input_type: "search_document",
      embedding_types: ["float"],
    },
  },
  answers: {
    200: {
      description: "Vectors by type, in the order of the texts.",
      name: "CohereEmbeddings",
      schema: z.object({
        id: z.string(),
        embeddings: z.object(Object.fromEntries(COHERE_TYPES.map((type) => [type, vectorsOf(type).optional()]))),
        texts: z.array(z.string()).optional(),
        meta: z.object({
          api_version: z.object({ version: z.literal("2") }),
          billed_units: z.object({ input_tokens: count }),
        }),
        response_type: z.literal("embeddings_by_type"),
      }),
      example: {
        id: "req_5Tt8ZKf0s3N6Y1WcQbXo2R",
        embeddings: { float: [[0.5, -0.5, 0.5, -0.5]] },
        texts: ["Hello"],
        meta: { api_version: { version: "2" }, billed_units: { input_tokens: 4 } },
        response_type: "embeddings_by_type",
      },
      headers: SPENDING_HEADERS,
    },
  },
  errors: SPENDING_ERRORS,
  handler: (c: Context) => foreignEmbeddings(c, cohereEmbed),
};
