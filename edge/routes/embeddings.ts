// POST /v1/embeddings, and /embeddings for clients that drop /v1.

import * as z from "zod";
import { embeddingsAnswer } from "../answer/embeddings-answer.ts";
import type { Context } from "../context.ts";
import { embeddings } from "../endpoints/embeddings.ts";
import { allHeaders } from "../middleware/answer-headers.ts";
import { LINES_TYPE, sendsLines } from "../middleware/body.ts";
import { SPENDING_ERRORS } from "../openapi/operation.ts";
import type { Parameter } from "../openapi/operation.ts";
import { queryText } from "../openapi/parameters.ts";
import { MODEL, count } from "./answers.ts";
import { CALL_HEADERS, SPENDING_HEADERS, USAGE, callAnswer, errorItemSchema, usageSchema } from "./call-answer.ts";
import type { Route } from "./route.ts";
import { embeddingsStream } from "../stream/embeddings-stream.ts";
import { embeddingsBodySchema } from "../../shared/schemas/embeddings.ts";
import { TOKEN_ENCODINGS } from "../../shared/wire.ts";

const embeddingSchema = z.object({
  object: z.literal("embedding"),
  index: count,
  embedding: z.union([z.array(z.number()), z.string()]).describe("Numbers, or base64."),
});

const failedSchema = errorItemSchema.extend({
  embedding: z
    .union([z.array(z.number()).max(0), z.literal("")])
    .describe("Empty: OpenAI's SDKs decode this field of every item."),
});

const embeddingsSchema = z.object({
  object: z.literal("list"),
  data: z.array(z.union([embeddingSchema, failedSchema])),
  similarities: z
    .array(z.nullable(z.number()))
    .optional()
    .describe("Cosine of each pair, if pairs were sent; null if a text of it has an error."),
  model: z.string(),
  usage: usageSchema,
});

/** The options of a body of lines. */
const LINES_PARAMETERS: readonly Parameter[] = [
  queryText("model", "Of a body of lines, like the other parameters: the fields of a JSON body."),
  queryText("dimensions", "Of every vector.", { type: "integer", minimum: 1 }),
  queryText("encoding_format", "`float` or `base64`.", { enum: ["float", "base64"] }),
  queryText("input_type", "`query`, `document` and other words for them."),
  queryText("instruction", "Of a query."),
  queryText("truncate", "`none`, `end` or `start`.", { enum: ["none", "end", "start"] }),
  queryText("token_encoding", "Of lines of token ids that are not the model's own.", { enum: [...TOKEN_ENCODINGS] }),
  queryText("resume", "The `resume` of a line of an earlier answer: the body goes on from its `done`."),
];

const CREATE_EMBEDDINGS: Route = {
  method: "post",
  path: "/v1/embeddings",
  id: "createEmbeddings",
  tag: "Embeddings",
  summary: "Embed texts",
  description: "OpenAI-compatible. A call is charged once its whole result is there; a failed call costs nothing.",
  auth: "call",
  scope: embeddings.scope,
  parameters: [...CALL_HEADERS, ...LINES_PARAMETERS],
  body: {
    name: "EmbeddingsRequest",
    schema: embeddingsBodySchema,
    required: ["input"],
    example: { model: MODEL, input: ["Hello", "How are you?"], dimensions: 64 },
    lines: {
      mediaType: LINES_TYPE,
      schema: {
        type: "string",
        description:
          "Any number of lines, each a JSON string, an array of token ids, or `{id?, input, dimensions?}`. The options of all lines stand in the query. Lines come back in order while others are still sent: docs/streams.md.",
      },
      example: '"Hello"\n{"id": "b", "input": "How are you?"}\n',
    },
  },
  answers: {
    200: {
      description: "Vectors in the order of the input.",
      alternative: LINES_TYPE,
      name: "Embeddings",
      schema: embeddingsSchema,
      example: {
        object: "list",
        data: [{ object: "embedding", index: 0, embedding: [0.5, -0.5, 0.5, -0.5] }],
        model: MODEL,
        usage: USAGE,
      },
      headers: SPENDING_HEADERS,
    },
  },
  errors: [...SPENDING_ERRORS, "client_not_reading", "limit_reached"],
  handler: postEmbeddings,
};

export const EMBEDDINGS: readonly Route[] = [
  CREATE_EMBEDDINGS,
  {
    ...CREATE_EMBEDDINGS,
    path: "/embeddings",
    id: "createEmbeddingsShort",
    summary: "The same, for clients that drop /v1",
  },
];

export async function postEmbeddings(c: Context): Promise<Response> {
  if (sendsLines(c)) return embeddingsStream(c);
  const { body, vectors, headers } = await callAnswer(c, embeddings);
  if (body.kind !== "embeddings") throw new TypeError("embeddings answer vectors");
  return embeddingsAnswer(c, { ...body, vectors }, allHeaders(c, headers));
}
