// The tools that call a model: embed, similarity, rerank, and quote, which counts and is free. Arguments have the names of
// the API's fields, so that its errors point at them. Answers are bounded: a model reads them.

import type { CallToolResult, McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { findModel } from "../models/models.ts";
import type { PublicModel } from "../pages/public-models.ts";
import { isReranker } from "../pages/public-models.ts";
import { isMatryoshka } from "../pages/parts.ts";
import type { CallApi } from "./api-call.ts";
import { answered, toolError, toolResult } from "./api-call.ts";
import { errorObject } from "../../shared/errors.ts";
import { nanoUsd, usdNumber } from "../../shared/money.ts";

/** Of all vectors of an answer: about 20,000 tokens of the model that reads them. */
const NUMBERS_MAX = 4096;
const DIMENSIONS = 64;
const TARGETS_MAX = 256;
const TOP_MAX = 100;
const TOP = 10;

const READS = { readOnlyHint: true, idempotentHint: true, openWorldHint: false };

const usageSchema = z.object({ prompt_tokens: z.number(), cost: z.number().describe("USD.") });
const texts = z.array(z.string()).min(1);
const instruction = z
  .string()
  .describe("What the query is to find, in a sentence. Default: the model's own.")
  .optional();
const maxCost = z
  .number()
  .nonnegative()
  .describe("USD: a call that would cost more is refused, for nothing.")
  .optional();

/** What a model's name may end in. */
const SUFFIXES = /(?:@\d+|:(?:query|document|per_item))+$/;
const DIMENSIONS_IN_NAME = /@(\d+)/;

interface Call {
  readonly max_cost_usd?: number | undefined;
  readonly [field: string]: unknown;
}

/** A call that costs: the body is the rest of `call`. */
async function spend(
  api: CallApi,
  path: string,
  schema: z.ZodType<Record<string, unknown>>,
  { max_cost_usd: usd, ...body }: Call,
): Promise<CallToolResult> {
  const headers = usd === undefined ? {} : { "x-max-cost": usd.toFixed(9) };
  const answer = await answered(await api(path, body, headers), schema);
  return answer.kind === "refused" ? answer.result : toolResult(answer.value);
}

/** Which model an argument may name, and which one is meant without it: the first that is live. */
interface Choice {
  readonly schema: z.ZodOptional<z.ZodString>;
  readonly find: (name: string | undefined) => PublicModel | undefined;
  /** The body's field. */
  readonly field: (name: string | undefined) => { readonly model?: string };
}

function choiceOf(models: readonly PublicModel[]): Choice {
  const live = models.filter(({ status }) => status === "live");
  const [first] = live;
  const listed = live.map(({ id }) => `\`${id}\``).join(", ");
  const words = first === undefined ? "None is live now" : `One of ${listed}. Default: \`${first.id}\``;
  return {
    schema: z.string().describe(`${words}.`).optional(),
    find: (name) => (name === undefined ? first : findModel(name.replace(SUFFIXES, ""), models)),
    field: (name) => {
      const model = name ?? first?.id ?? models[0]?.id;
      return model === undefined ? {} : { model };
    },
  };
}

export function registerCallTools(server: McpServer, api: CallApi, models: readonly PublicModel[]): void {
  const embedders = choiceOf(models.filter((model) => !isReranker(model)));
  registerEmbed(server, api, embedders);
  registerSimilarity(server, api, embedders);
  registerRerank(server, api, choiceOf(models.toSorted((a, b) => Number(isReranker(b)) - Number(isReranker(a)))));
  registerQuote(server, api, embedders);
}

const embeddingsSchema = z.object({
  model: z.string(),
  data: z.array(z.object({ index: z.number(), embedding: z.array(z.number()) })),
  usage: usageSchema,
});

function registerEmbed(server: McpServer, api: CallApi, choice: Choice): void {
  server.registerTool(
    "embed",
    {
      title: "Embed texts",
      description: `Vectors of texts, normalised: their dot product is their cosine. An answer holds at most ${NUMBERS_MAX} numbers; to compare or rank texts, use similarity or rerank, which answer scores alone.`,
      inputSchema: z.strictObject({
        input: texts,
        model: choice.schema,
        input_type: z
          .enum(["query", "document"])
          .describe("A query carries an instruction, a document none.")
          .optional(),
        instruction,
        dimensions: z
          .int()
          .min(1)
          .describe(`Numbers of a vector. Default: ${DIMENSIONS}, or the model's own where it has no shorter ones.`)
          .optional(),
        max_cost_usd: maxCost,
      }),
      outputSchema: embeddingsSchema,
      annotations: READS,
    },
    async ({ model: name, dimensions: asked, ...call }) => {
      const model = choice.find(name);
      const [, inName] = DIMENSIONS_IN_NAME.exec(name ?? "") ?? [];
      const isCut = asked === undefined && inName === undefined && (model === undefined || isMatryoshka(model));
      const dimensions = isCut ? DIMENSIONS : asked;
      const numbers = call.input.length * (dimensions ?? Number(inName ?? model?.native_dimensions ?? 0));
      if (numbers > NUMBERS_MAX) return toolError(tooMany(numbers));
      const fields = { ...choice.field(name), ...(dimensions === undefined ? {} : { dimensions }) };
      return spend(api, "/v1/embeddings", embeddingsSchema, { ...call, ...fields });
    },
  );
}

/** In the shape of the API's errors. */
function tooMany(numbers: number): string {
  const message = `These texts have ${numbers} numbers in all; this tool answers at most ${NUMBERS_MAX}. Ask for fewer texts or \`dimensions\`, or call POST /v1/embeddings, which has no such limit. Nothing was charged.`;
  return JSON.stringify({ error: errorObject({ code: "too_many_inputs", message, param: "input" }) });
}

const similaritySchema = z.object({
  model: z.string(),
  data: z.array(z.object({ index: z.number().describe("Which of the targets."), similarity: z.number() })),
  usage: usageSchema,
});

function registerSimilarity(server: McpServer, api: CallApi, choice: Choice): void {
  server.registerTool(
    "similarity",
    {
      title: "Compare texts",
      description: "The cosine of a text with each of others, from -1 to 1, in the order sent.",
      inputSchema: z.strictObject({
        source: z.string(),
        targets: texts.max(TARGETS_MAX),
        model: choice.schema,
        max_cost_usd: maxCost,
      }),
      outputSchema: similaritySchema,
      annotations: READS,
    },
    async ({ model, ...call }) => spend(api, "/v1/similarity", similaritySchema, { ...call, ...choice.field(model) }),
  );
}

const rerankSchema = z.object({
  model: z.string(),
  method: z.string().describe("`reranker`: the model read query and document together. `cosine`: of embeddings."),
  results: z
    .array(z.object({ index: z.number().describe("Which of the documents."), relevance_score: z.number() }))
    .describe("Best first."),
  usage: usageSchema,
});

function registerRerank(server: McpServer, api: CallApi, choice: Choice): void {
  server.registerTool(
    "rerank",
    {
      title: "Rank documents",
      description:
        "Orders documents by how well they answer a query, and names the best by their places. Charged by token.",
      inputSchema: z.strictObject({
        query: z.string(),
        documents: texts,
        top_n: z.int().min(1).max(TOP_MAX).describe(`How many are named. Default: ${TOP}.`).default(TOP),
        model: choice.schema,
        instruction,
        max_cost_usd: maxCost,
      }),
      outputSchema: rerankSchema,
      annotations: READS,
    },
    async ({ model, ...call }) => spend(api, "/v1/rerank", rerankSchema, { ...call, ...choice.field(model) }),
  );
}

const tokensSchema = z.object({
  model: z.string(),
  total_tokens: z.number(),
  cost_usd: z.number(),
  batch_cost_nano_usd: z.int(),
  fits: z.boolean(),
});

function registerQuote(server: McpServer, api: CallApi, choice: Choice): void {
  server.registerTool(
    "quote",
    {
      title: "Quote a call",
      description:
        "What embedding texts, or ranking documents for a query, would cost at most. Free; nothing is computed. Either `input`, or `query` with `documents`.",
      inputSchema: z.strictObject({
        input: texts.optional(),
        query: z.string().optional(),
        documents: texts.optional(),
        model: z
          .string()
          .describe(`An embedding model, or a reranker for documents. ${choice.schema.description ?? ""}`)
          .optional(),
        input_type: z.enum(["query", "document"]).optional(),
        instruction,
      }),
      outputSchema: z.object({
        model: z.string(),
        total_tokens: z.number(),
        cost_usd: z.number().describe("Every text a cache miss."),
        batch_cost_usd: z.number().describe("The same in a batch."),
        fits: z.boolean().describe("False: a text is over the model's context."),
      }),
      annotations: READS,
    },
    async ({ model, ...fields }) => {
      const answer = await answered(await api("/v1/tokenize", { ...fields, ...choice.field(model) }), tokensSchema);
      if (answer.kind === "refused") return answer.result;
      const { batch_cost_nano_usd: batchNanoUsd, ...quote } = answer.value;
      return toolResult({ ...quote, batch_cost_usd: usdNumber(nanoUsd(batchNanoUsd)) });
    },
  );
}
