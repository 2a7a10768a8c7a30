// POST /v1/models/{owner}/{name}/embed and /rerank, and GET …/info, for clients of Text Embeddings Inference: their base
// URL is `/v1/models/{owner}/{name}`, since a server of TEI's has one model.

import * as z from "zod";
import type { Context } from "../../context.ts";
import { embeddings } from "../../endpoints/embeddings.ts";
import { TEI, teiEmbed, teiEmbedSchema, teiRerank, teiRerankSchema } from "../../foreign/tei.ts";
import { SPENDING_ERRORS } from "../../openapi/operation.ts";
import { MODEL, count } from "../answers.ts";
import { CALL_HEADERS, SPENDING_HEADERS } from "../call-answer.ts";
import { describeModel, modelInPath, modelNameInPath } from "../models.ts";
import type { Route } from "../route.ts";
import { MODEL_IN_PATH, foreignEmbeddings, foreignRerank } from "./foreign-answer.ts";
import { INPUTS_MAX } from "../../../shared/schemas/texts.ts";

const PATH = "/v1/models/{owner}/{name}";
const CALL = {
  method: "post",
  tag: "Other vendors' forms",
  vendor: TEI,
  auth: "call",
  parameters: [...MODEL_IN_PATH, ...CALL_HEADERS],
  errors: SPENDING_ERRORS,
} as const;

export const TEI_ROUTES: readonly Route[] = [
  {
    ...CALL,
    path: `${PATH}/embed`,
    id: "teiEmbed",
    summary: "Embed texts, in the form of Text Embeddings Inference",
    scope: embeddings.scope,
    body: {
      name: "TeiEmbedRequest",
      schema: teiEmbedSchema,
      required: ["inputs"],
      example: { inputs: ["Hello", "How are you?"], truncate: true },
    },
    answers: {
      200: {
        description: "Vectors in the order of the inputs.",
        name: "TeiEmbeddings",
        schema: z.array(z.array(z.number())),
        example: [[0.5, -0.5, 0.5, -0.5]],
        headers: SPENDING_HEADERS,
      },
    },
    handler: (c: Context) => foreignEmbeddings(c, teiEmbed, modelNameInPath(c)),
  },
  {
    ...CALL,
    path: `${PATH}/rerank`,
    id: "teiRerank",
    summary: "Order texts, in the form of Text Embeddings Inference",
    scope: "rerank",
    body: {
      name: "TeiRerankRequest",
      schema: teiRerankSchema,
      required: ["query", "texts"],
      example: { query: "capital of France", texts: ["Paris is in France.", "Bees make honey."] },
    },
    answers: {
      200: {
        description: "All texts, best first.",
        name: "TeiRanks",
        schema: z.array(z.object({ index: count, score: z.number().min(0).max(1), text: z.string().optional() })),
        example: [
          { index: 0, score: 0.71 },
          { index: 1, score: 0.12 },
        ],
        headers: SPENDING_HEADERS,
      },
    },
    handler: (c: Context) => foreignRerank(c, teiRerank, modelNameInPath(c)),
  },
  {
    method: "get",
    path: `${PATH}/info`,
    id: "teiInfo",
    tag: "Other vendors' forms",
    summary: "A model, in the form of Text Embeddings Inference",
    vendor: TEI,
    auth: "optional",
    parameters: MODEL_IN_PATH,
    answers: {
      200: {
        description: "What TEI's clients read of a server. GET /v1/models/{owner}/{name} says more.",
        name: "TeiInfo",
        schema: z.object({
          model_id: z.string(),
          model_sha: z.nullable(z.string()).describe("The revision; null: no backend has said."),
          model_type: z.union([
            z.object({ embedding: z.object({ pooling: z.string() }) }),
            z.object({ reranker: z.object({}) }),
          ]),
          max_input_length: count.describe("Tokens of a text."),
          max_client_batch_size: count,
          auto_truncate: z.literal(false),
        }),
        example: {
          model_id: MODEL,
          model_sha: "0123456789abcdef",
          model_type: { embedding: { pooling: "last_token" } },
          max_input_length: 8192,
          max_client_batch_size: INPUTS_MAX,
          auto_truncate: false,
        },
      },
    },
    errors: ["model_not_found"],
    handler: showInfo,
  },
];

async function showInfo(c: Context): Promise<Response> {
  const { id, revision, kind, pooling, context_length: length } = await describeModel(c, modelInPath(c));
  return c.json({
    model_id: id,
    model_sha: revision,
    model_type: kind === "reranker" ? { reranker: {} } : { embedding: { pooling } },
    max_input_length: length,
    max_client_batch_size: INPUTS_MAX,
    auto_truncate: false,
  });
}
