// What a call of each surface asks for, made of counted texts: path, body, form of the answer, and the tokens that it has to
// be charged for.

import * as z from "zod";
import type { Dice } from "./dice.ts";
import type { FormName } from "./history.ts";
import { rerankBody } from "./supplies.ts";
import type { CountedText, Supplies } from "./supplies.ts";
import { MCP_HEADERS } from "./surfaces.ts";
import type { Surface } from "./surfaces.ts";
import { must } from "../../shared/assert.ts";
import { usdNumber } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";

const MANY_TEXTS = 64;
const TEXTS_MAX = 8;
const TARGETS_MAX = 3;
/** The most numbers in an answer of a tool. */
const TOOL_NUMBERS_MAX = 4096;
const TOOL_TEXTS_MAX = 3;

const toolSchema = z.looseObject({ params: z.looseObject({ arguments: z.looseObject({}) }) });

/** What a call is charged for, before its options. */
export interface Shape {
  readonly name: string;
  readonly path: string;
  readonly model: string;
  readonly form: FormName;
  readonly body: object | string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Undefined: it has to be refused. */
  readonly tokens: number | undefined;
}

export type CallSurface = Exclude<Surface, "streams" | "batches">;

export function shapeOf(surface: CallSurface, dice: Dice, supplies: Supplies): Shape {
  return SHAPES[surface](dice, supplies);
}

const SHAPES: Readonly<Record<CallSurface, (dice: Dice, supplies: Supplies) => Shape>> = {
  embeddings,
  similarity,
  rerank,
  ollama,
  tei,
  cohere,
  gemini,
  migrate,
  mcp,
};

/** A call that has to be refused, and charged nothing. */
export function malformed(surface: CallSurface, dice: Dice, supplies: Supplies): Shape {
  const { model, texts } = supplies;
  const { text } = dice.oneOf(texts);
  if (surface !== "embeddings" || dice.chance(20)) {
    const shape = shapeOf(surface, dice, supplies);
    const body = surface === "mcp" ? toolCall("embed", { input: 1 }) : { ...Object(shape.body), dimension: 8 };
    return { ...shape, name: `${shape.name}, and an unknown field`, body, tokens: undefined };
  }
  const [name, body] = dice.oneOf<readonly [string, object | string]>([
    ["half a body", `{"model": ${JSON.stringify(model)}, "input": [`],
    ["an empty text among good ones", { model, input: [text, ""] }],
    ["no text", { model, input: [] }],
  ]);
  const path = "/v1/embeddings";
  return { name: `${path} with ${name}`, path, model, form: "own", body, tokens: undefined };
}

function embeddings(dice: Dice, supplies: Supplies): Shape {
  const { model } = supplies;
  const count = dice.chance(3) ? MANY_TEXTS : 1 + dice.below(TEXTS_MAX);
  const texts = textsOf(dice, supplies, count);
  const isPerItem = dice.chance(15);
  const input: string[] = wordsOf(texts);
  // An empty text is at fault, and costs nothing.
  if (isPerItem) input.splice(dice.below(count + 1), 0, "");
  const path = dice.oneOf(["/v1/embeddings", "/v1/embeddings", "/embeddings"]);
  return {
    name: `${path}, ${count} texts${isPerItem ? " and one at fault" : ""}`,
    path,
    model,
    form: "own",
    body: {
      model,
      input: count === 1 && !isPerItem && dice.chance(50) ? input[0] : input,
      ...(dice.chance(50) && { encoding_format: "base64" }),
      ...(isPerItem && { on_error: "per_item" }),
    },
    tokens: tokensOf(texts),
  };
}

function similarity(dice: Dice, supplies: Supplies): Shape {
  const { model } = supplies;
  const path = "/v1/similarity";
  const count = 1 + dice.below(TARGETS_MAX);
  const isPairs = dice.chance(50);
  const texts = textsOf(dice, supplies, isPairs ? 2 * count : 1 + count);
  const words = wordsOf(texts);
  const body = isPairs
    ? { model, pairs: Array.from({ length: count }, (_, index) => words.slice(2 * index, 2 * index + 2)) }
    : { model, source: words[0], targets: words.slice(1) };
  return { name: `${path}, ${texts.length} texts`, path, model, form: "own", body, tokens: tokensOf(texts) };
}

function rerank(dice: Dice, { reranks }: Supplies): Shape {
  const { model, tokens, ...asked } = dice.oneOf(reranks);
  const path = dice.oneOf(["/v1/rerank", "/v2/rerank"]);
  const name = `${path} with ${model}, ${asked.documents.length} documents`;
  return { name, path, model, form: "own", body: { model, ...rerankBody(asked) }, tokens };
}

function ollama(dice: Dice, supplies: Supplies): Shape {
  const { model } = supplies;
  const isOld = dice.chance(30);
  const texts = textsOf(dice, supplies, isOld ? 1 : 1 + dice.below(TEXTS_MAX));
  const [prompt = "", ...others] = wordsOf(texts);
  const path = isOld ? "/api/embeddings" : "/api/embed";
  const body = isOld ? { model, prompt } : { model, input: [prompt, ...others] };
  return { name: `${path}, ${texts.length} texts`, path, model, form: "ollama", body, tokens: tokensOf(texts) };
}

function tei(dice: Dice, supplies: Supplies): Shape {
  const plain = supplies.reranks.filter(({ isPerItem }) => !isPerItem);
  if (plain.length > 0 && dice.chance(30)) {
    const { model, query, documents, tokens } = dice.oneOf(plain);
    const path = `/v1/models/${model}/rerank`;
    return { name: path, path, model, form: "tei", body: { query, texts: documents }, tokens };
  }
  const { model } = supplies;
  const texts = textsOf(dice, supplies, 1 + dice.below(TEXTS_MAX));
  const path = `/v1/models/${model}/embed`;
  return { name: path, path, model, form: "tei", body: { inputs: wordsOf(texts) }, tokens: tokensOf(texts) };
}

function cohere(dice: Dice, supplies: Supplies): Shape {
  const { model } = supplies;
  const texts = textsOf(dice, supplies, 1 + dice.below(TEXTS_MAX));
  const body = {
    model,
    texts: wordsOf(texts),
    input_type: "search_document",
    ...(dice.chance(50) && { embedding_types: ["int8", "float"] }),
  };
  const tokens = texts.reduce((sum, { documentTokens }) => sum + documentTokens, 0);
  return { name: `/v2/embed, ${texts.length} texts`, path: "/v2/embed", model, form: "cohere", body, tokens };
}

function gemini(dice: Dice, supplies: Supplies): Shape {
  const { model } = supplies;
  const isMany = dice.chance(60);
  const texts = textsOf(dice, supplies, isMany ? 1 + dice.below(TEXTS_MAX) : 1);
  const requests = wordsOf(texts).map((text) => ({ content: { parts: [{ text }] } }));
  const path = `/${dice.oneOf(["v1", "v1beta"])}/models/${model}:${isMany ? "batchEmbedContents" : "embedContent"}`;
  const body = isMany ? { requests } : must(requests[0], "a request");
  return { name: path, path, model, form: "gemini", body, tokens: tokensOf(texts) };
}

function migrate(dice: Dice, { model, migration }: Supplies): Shape {
  const { from, to, texts: counted } = must(migration, "two revisions");
  const texts = Array.from({ length: 2 + dice.below(TEXTS_MAX - 1) }, () => dice.oneOf(counted));
  const path = "/v1/migrate/report";
  const body = { model, from, to, input: texts.map(({ text }) => text) };
  return { name: `${path}, ${texts.length} texts`, path, model, form: "own", body, tokens: tokensOf(texts) };
}

function mcp(dice: Dice, supplies: Supplies): Shape {
  const { model, dimensions } = supplies;
  const base = { path: "/mcp", form: "mcp", headers: MCP_HEADERS } as const;
  const plain = supplies.reranks.filter(({ isPerItem }) => !isPerItem);
  if (plain.length > 0 && dice.chance(30)) {
    const { model: id, query, documents, tokens } = dice.oneOf(plain);
    return {
      ...base,
      name: "/mcp, rerank",
      model: id,
      body: toolCall("rerank", { model: id, query, documents }),
      tokens,
    };
  }
  if (dice.chance(50)) {
    const texts = textsOf(dice, supplies, 2 + dice.below(TARGETS_MAX));
    const [source, ...targets] = wordsOf(texts);
    const body = toolCall("similarity", { model, source, targets });
    return { ...base, name: "/mcp, similarity", model, body, tokens: tokensOf(texts) };
  }
  const most = Math.max(1, Math.min(TOOL_TEXTS_MAX, Math.floor(TOOL_NUMBERS_MAX / dimensions)));
  const texts = textsOf(dice, supplies, 1 + dice.below(most));
  const body = toolCall("embed", { model, input: wordsOf(texts) });
  return { ...base, name: "/mcp, embed", model, body, tokens: tokensOf(texts) };
}

function toolCall(name: string, args: object) {
  return { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } };
}

/** The call of a tool, refused where it would cost more. */
export function boundedTool(body: object, maxNanoUsd: NanoUsd): object {
  const { params, ...rest } = toolSchema.parse(body);
  return { ...rest, params: { ...params, arguments: { ...params.arguments, max_cost_usd: usdNumber(maxNanoUsd) } } };
}

function textsOf(dice: Dice, { texts }: Supplies, count: number): readonly CountedText[] {
  return Array.from({ length: count }, () => dice.oneOf(texts));
}

function wordsOf(texts: readonly CountedText[]): string[] {
  return texts.map(({ text }) => text);
}

export function tokensOf(texts: readonly { readonly tokens: number }[]): number {
  return texts.reduce((sum, { tokens }) => sum + tokens, 0);
}
