// What an adapter of another vendor's API is: a pair of pure functions. `read` makes our body of theirs, which our own
// endpoint then checks, embeds and charges like any other; `show` writes our answer in their form. A fault keeps our words,
// with the vendor's names of fields. No I/O; nothing here knows keys or credit.

import * as z from "zod";
import type { Encoding } from "../answer/embedding-text.ts";
import type { Part } from "../answer/parts.ts";
import type { UsageAnswer } from "../metering/usage-answer.ts";
import { ApiError } from "../../shared/errors.ts";
import type { OutputDtype } from "../../shared/vectors.ts";
import { INPUTS_MAX, TEXT_SCHEMA, itemList, textItem } from "../../shared/schemas/texts.ts";

/** A body of one of our own routes. */
export type OwnBody = Readonly<Record<string, unknown>>;

/** What our messages name or advise, and what that is called in the vendor's API. */
export type Names = Readonly<Record<string, string>>;

/** The facts of an answer. */
export interface Embedded {
  /** Canonical: float16 bits [native dimensions] each, in the caller's order. */
  readonly vectors: readonly Uint16Array[];
  /** 1..native. */
  readonly dimensions: number;
  /** Full id. */
  readonly model: string;
  readonly usage: UsageAnswer;
  /** The id of the charge. */
  readonly callId: string;
  readonly elapsedMs: number;
}

/** Our own body of a call, and what faults of it are to be called. */
export interface OwnCall {
  readonly own: OwnBody;
  readonly names: Names;
}

/** `Asked`: what the answer needs to know of the vendor's body. */
export interface EmbeddingsAdapter<Asked = undefined> {
  /** `model`: from the path; empty where the body names it. Throws ApiError in the vendor's names. */
  readonly read: (body: unknown, model: string) => OwnCall & { readonly asked: Asked };
  readonly show: (embedded: Embedded, asked: Asked) => readonly Part[];
}

/** A document of a rerank's answer. */
export interface Ranked {
  readonly index: number;
  readonly relevance_score: number;
  readonly document?: { readonly text: string } | undefined;
}

export interface RerankAdapter {
  /** As of embeddings. */
  readonly read: (body: unknown, model: string) => OwnCall;
  /** `results`: best first. */
  readonly show: (results: readonly Ranked[]) => object;
}

/** For schemas: a list of texts. */
export const TEXTS_SCHEMA = { type: "array", items: TEXT_SCHEMA, minItems: 1, maxItems: INPUTS_MAX } as const;

/** For schemas: a text, or a list of texts. */
export const INPUT_SCHEMA = { anyOf: [TEXT_SCHEMA, TEXTS_SCHEMA] } as const;

/** A field that says by one of the vendor's `words`, each of which `input_type` takes, what texts are. */
export const taskWord = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z.enum(words, {
    error: () =>
      `one of ${words.map((word) => `"${word}"`).join(", ")} (for another task send \`instruction\` to POST /v1/embeddings)`,
  });

/** A field that is refused by name, and why. */
export const leftOut = (why: string) => z.null({ error: () => `left out: ${why}` }).optional();

/** The field `name` of `value`, if it is an object that has one. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? new Map<string, unknown>(Object.entries(value)).get(name)
    : undefined;
}

/** `value` as a list of texts; throws ApiError naming the item of `name`. */
export function textsOf(value: unknown, name: string): readonly string[] {
  return itemList(value, name, "an array of strings", INPUTS_MAX).map((item, i) => textItem(item, `${name}[${i}]`));
}

/** All vectors between commas: as numbers, or as base64 of their bytes. */
export function vectorList(
  { vectors, dimensions }: Embedded,
  dtype: OutputDtype = "float",
  encoding: Encoding = "float",
): readonly Part[] {
  return vectors.flatMap((vector, index): readonly Part[] => [
    index === 0 ? "" : ",",
    { vector, dimensions, dtype, encoding },
  ]);
}

/** `error` in the vendor's names, if it is a fault of the call. */
export function inNames(names: Names, error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  let { message, param } = error.fault;
  for (const [own, theirs] of Object.entries(names)) {
    message = message.replaceAll(named(own), theirs);
    if (param === own || param?.startsWith(`${own}[`)) param = theirs + param.slice(own.length);
  }
  return new ApiError({ ...error.fault, message, param });
}

/** `name` where a message begins or behind a backtick, and not as the beginning of a longer name. */
function named(name: string): RegExp {
  return new RegExp(String.raw`(?<=^|\`)${name.replaceAll(/[[\]".]/g, String.raw`\$&`)}(?!\w)`, "g");
}
