// The playground's call: the form's values, the request and the answer; the latter two also as text.

import { call } from "./api.ts";
import { SAMPLE } from "./sample-answer.ts";
import type { Vector } from "./vectors.ts";

const TEXTS_MAX = 40;
const NUMBERS_SHOWN = 4;
const INT8_MAX = 127;

export interface Ask {
  readonly model: string;
  readonly texts: readonly string[];
  /** Empty: left out of the request. */
  readonly inputType: string;
}

export interface Run {
  readonly texts: readonly string[];
  readonly vectors: readonly Vector[];
  readonly model: string;
  readonly tokens: number;
  readonly cachedTokens: number;
  readonly costNanoUsd: number;
  /** undefined: the stored answer. */
  readonly elapsedMs?: number;
  readonly serverTiming: string | null;
}

interface Embeddings {
  readonly data: readonly { readonly embedding: readonly number[] }[];
  readonly model: string;
  readonly usage: {
    readonly prompt_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
    readonly cost: number;
  };
}

/** The text of a form's field. */
export function fieldOf(data: FormData, name: string): string {
  const value = data.get(name);
  return typeof value === "string" ? value : "";
}

/** One text a line, as many as the playground sends. */
export function linesOf(field: string): readonly string[] {
  return field
    .split("\n")
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .slice(0, TEXTS_MAX);
}

export function askOf(form: HTMLFormElement): Ask {
  const data = new FormData(form);
  return {
    model: fieldOf(data, "model"),
    texts: linesOf(fieldOf(data, "texts")),
    inputType: fieldOf(data, "input_type"),
  };
}

function bodyOf({ model, texts, inputType }: Ask): object {
  return { model, input: texts, ...(inputType === "" ? {} : { input_type: inputType }) };
}

export function requestText(ask: Ask): string {
  return curlText("/v1/embeddings", bodyOf(ask));
}

/** A POST as a curl command for a shell. */
export function curlText(path: string, body: object): string {
  const json = JSON.stringify(body, undefined, 2).replaceAll("'", String.raw`'\''`);
  return [
    `curl ${location.origin}${path} \\`,
    `  -H "Authorization: Bearer $GIGAROUTER_API_KEY" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '${json}'`,
  ].join("\n");
}

/** The answer as JSON, shortened to a few numbers of the first vector. */
export function answerText({ vectors, model, tokens, cachedTokens, costNanoUsd }: Run): string {
  const [first = []] = vectors;
  const numbers = Array.from(first.slice(0, NUMBERS_SHOWN), (value) => value.toFixed(4)).join(", ");
  const usage = {
    prompt_tokens: tokens,
    total_tokens: tokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    cost: costNanoUsd / 1e9,
  };
  return `{
  "object": "list",
  "data": [
    {"object": "embedding", "index": 0, "embedding": [${numbers}, … ${first.length - NUMBERS_SHOWN} more]},
    … ${vectors.length - 1} more
  ],
  "model": ${JSON.stringify(model)},
  "usage": ${JSON.stringify(usage)}
}`;
}

/** Calls the API with the session's key; throws ApiFault. */
export async function embed(ask: Ask): Promise<Run> {
  const startedMs = performance.now();
  const { body, headers } = await call<Embeddings>("POST", "/v1/embeddings", bodyOf(ask));
  return {
    texts: ask.texts,
    vectors: body.data.map((item) => item.embedding),
    model: body.model,
    tokens: body.usage.prompt_tokens,
    cachedTokens: body.usage.prompt_tokens_details.cached_tokens,
    costNanoUsd: Math.round(body.usage.cost * 1e9),
    elapsedMs: performance.now() - startedMs,
    serverTiming: headers.get("server-timing"),
  };
}

/** The stored answer to the page's own `texts`, at `priceNanoUsd` per million tokens. */
export function sampleRun(texts: readonly string[], priceNanoUsd: number): Run {
  return {
    texts,
    vectors: SAMPLE.vectors.map(vectorOf),
    model: SAMPLE.model,
    tokens: SAMPLE.tokens,
    cachedTokens: 0,
    costNanoUsd: Math.ceil((SAMPLE.tokens * priceNanoUsd) / 1e6),
    serverTiming: null,
  };
}

/** int8 in base64 → a vector of length 1. */
function vectorOf(text: string): Vector {
  const values = Array.from(atob(text), (character) => ((character.charCodeAt(0) + 128) % 256) - 128);
  const norm = Math.hypot(...values) || INT8_MAX;
  return values.map((value) => value / norm);
}
