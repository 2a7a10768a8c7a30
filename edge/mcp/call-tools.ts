// The tools that call a model: embed, similarity, rerank, and quote, which counts and is free. Arguments have the names of
// the API's fields, so that its errors point at them. Answers are bounded: a model reads them.

import type { CallToolResult } from "@modelcontextprotocol/server";
import * as z from "zod";
import { findModel } from "../models/models.ts";
import type { PublicModel } from "../pages/public-models.ts";
import { isReranker } from "../pages/public-models.ts";
import { isMatryoshka } from "../pages/parts.ts";
import type { CallApi } from "./api-call.ts";
import { answered, toolError, toolResult } from "./api-call.ts";
import type { Fault } from "../../shared/errors.ts";
import { nanoUsd, usdNumber } from "../../shared/money.ts";
import { dimensionsField } from "../../shared/schemas/embeddings.ts";
import { integer, oneOf, text as textField } from "../../shared/schemas/fields.ts";
import { takes } from "./tool-input.ts";
import type { Tools } from "./tool-input.ts";

/** Of all vectors of an answer: about 20,000 tokens of the model that reads them. */
const NUMBERS_MAX = 4096;
const DIMENSIONS = 64;
const TARGETS_MAX = 256;
const TOP_MAX = 100;
const TOP = 10;

const READS = { readOnlyHint: true, idempotentHint: true, openWorldHint: false };

const usageSchema = z.object({ prompt_tokens: z.number(), cost: z.number().describe("USD.") });
const text = textField("a string");
const TEXTS_RULE = "an array of at least one string";
const texts = z.array(text, { error: () => TEXTS_RULE }).min(1, { error: () => TEXTS_RULE });
const instruction = text.describe("What the query is to find, in a sentence. Default: the model's own.").optional();
const COST_RULE = "a number of USD, from 0 up";
const maxCost = z
  .number({ error: () => COST_RULE })
  .nonnegative({ error: () => COST_RULE })
  .describe("USD: a call that would cost more is refused, for nothing.")
  .optional();

const modelName = textField("a model's name");
const inputType = oneOf(["query", "document"]);

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
    schema: modelName.describe(`${words}.`).optional(),
    find: (name) => (name === undefined ? first : findModel(name.replace(SUFFIXES, ""), models)),
    field: (name) => {
      const model = name ?? first?.id ?? models[0]?.id;
      return model === undefined ? {} : { model };
    },
  };
}

export function registerCallTools(tools: Tools, models: readonly PublicModel[]): void {
  const embedders = choiceOf(models.filter((model) => !isReranker(model)));
  registerEmbed(tools, embedders);
  registerSimilarity(tools, embedders);
  registerRerank(tools, choiceOf(models.toSorted((a, b) => Number(isReranker(b)) - Number(isReranker(a)))));
  registerQuote(tools, embedders);
}

const embeddingsSchema = z.object({
  model: z.string(),
  data: z.array(z.object({ index: z.number(), embedding: z.array(z.number()) })),
  usage: usageSchema,
});

function registerEmbed(tools: Tools, choice: Choice): void {
  const { server, api } = tools;
  server.registerTool(
    "embed",
    {
      title: "Embed texts",
      description: `Vectors of texts, normalised: their dot product is their cosine. An answer holds at most ${NUMBERS_MAX} numbers; to compare or rank texts, use similarity or rerank, which answer scores alone.`,
      inputSchema: takes(
        tools,
        z.strictObject({
          input: texts,
          model: choice.schema,
          input_type: inputType.describe("A query carries an instruction, a document none.").optional(),
          instruction,
          dimensions: dimensionsField
            .describe(`Numbers of a vector. Default: ${DIMENSIONS}, or the model's own where it has no shorter ones.`)
            .optional(),
          max_cost_usd: maxCost,
        }),
      ),
      outputSchema: embeddingsSchema,
      annotations: READS,
    },
    async ({ model: name, dimensions: asked, ...call }) => {
      const model = choice.find(name);
      const [, inName] = DIMENSIONS_IN_NAME.exec(name ?? "") ?? [];
      const isCut = asked === undefined && inName === undefined && (model === undefined || isMatryoshka(model));
      const dimensions = isCut ? DIMENSIONS : asked;
      const numbers = call.input.length * (dimensions ?? Number(inName ?? model?.native_dimensions ?? 0));
      if (numbers > NUMBERS_MAX) return toolError(tools.errorText(tooMany(numbers)));
      const fields = { ...choice.field(name), ...(dimensions === undefined ? {} : { dimensions }) };
      return spend(api, "/v1/embeddings", embeddingsSchema, { ...call, ...fields });
    },
  );
}

function tooMany(numbers: number): Fault {
  const message = `These texts have ${numbers} numbers in all; this tool answers at most ${NUMBERS_MAX}. Ask for fewer texts or \`dimensions\`, or call POST /v1/embeddings, which has no such limit. Nothing was charged.`;
  return { code: "too_many_inputs", message, param: "input" };
}

const similaritySchema = z.object({
  model: z.string(),
  data: z.array(z.object({ index: z.number().describe("Which of the targets."), similarity: z.number() })),
  usage: usageSchema,
});

function registerSimilarity(tools: Tools, choice: Choice): void {
  const { server, api } = tools;
  server.registerTool(
    "similarity",
    {
      title: "Compare texts",
      description: "The cosine of a text with each of others, from -1 to 1, in the order sent.",
      inputSchema: takes(
        tools,
        z.strictObject({
          source: text,
          targets: texts.max(TARGETS_MAX, { error: () => `at most ${TARGETS_MAX} strings` }),
          model: choice.schema,
          max_cost_usd: maxCost,
        }),
      ),
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

function registerRerank(tools: Tools, choice: Choice): void {
  const { server, api } = tools;
  server.registerTool(
    "rerank",
    {
      title: "Rank documents",
      description:
        "Orders documents by how well they answer a query, and names the best by their places. Charged by token.",
      inputSchema: takes(
        tools,
        z.strictObject({
          query: text,
          documents: texts,
          top_n: integer(1, TOP_MAX).describe(`How many are named. Default: ${TOP}.`).default(TOP),
          model: choice.schema,
          instruction,
          max_cost_usd: maxCost,
        }),
      ),
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

function registerQuote(tools: Tools, choice: Choice): void {
  const { server, api } = tools;
  server.registerTool(
    "quote",
    {
      title: "Quote a call",
      description:
        "What embedding texts, or ranking documents for a query, would cost at most. Free; nothing is computed. Either `input`, or `query` with `documents`.",
      inputSchema: takes(
        tools,
        z.strictObject({
          input: texts.optional(),
          query: text.optional(),
          documents: texts.optional(),
          model: modelName
            .describe(`An embedding model, or a reranker for documents. ${choice.schema.description ?? ""}`)
            .optional(),
          input_type: inputType.optional(),
          instruction,
        }),
      ),
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
