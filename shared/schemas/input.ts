// The `input` field of an embeddings request: a string, strings, token ids, lists of token ids, or pairs of strings.
// Checked by plain loops: a schema library that checks each of 300,000 token ids costs 80 times as much (measured).
// Every fault names its item.

import { apiError } from "../errors.ts";
import { describe } from "./shown.ts";
import type { OnError } from "../wire.ts";
import { NO_FAULTS, parseItems } from "./items.ts";
import type { ItemFaults } from "./items.ts";
import { INPUTS_MAX, PAIR_SCHEMA, TEXT_SCHEMA, textItem } from "./texts.ts";

/** The most tokens in all inputs of one request. */
export const REQUEST_TOKENS_MAX = 300_000;

/** What is right of it, and the faults of the rest: of pairs, 2i and 2i+1 are the places of pair i. */
export type EmbeddingInput = { readonly faults: ItemFaults } & (
  | { readonly kind: "texts"; readonly texts: readonly string[] }
  | { readonly kind: "pairs"; readonly texts: readonly string[] }
  | { readonly kind: "ids"; readonly ids: readonly (readonly number[])[] }
);

/** An array of token ids. */
export const IDS_SCHEMA = {
  type: "array",
  items: { type: "integer", minimum: 0, maximum: 0x7fffffff },
  minItems: 1,
} as const;

/** What parseInput accepts, for the published document. */
export const INPUT_SCHEMA = {
  description: `1 to ${INPUTS_MAX} texts, ${REQUEST_TOKENS_MAX} tokens in all. Pairs answer both embeddings and \`similarities\`.`,
  anyOf: [
    TEXT_SCHEMA,
    { type: "array", items: TEXT_SCHEMA, minItems: 1, maxItems: INPUTS_MAX },
    { ...IDS_SCHEMA, maxItems: REQUEST_TOKENS_MAX },
    { type: "array", items: IDS_SCHEMA, minItems: 1, maxItems: INPUTS_MAX },
    { type: "array", items: PAIR_SCHEMA, minItems: 1, maxItems: INPUTS_MAX / 2 },
  ],
} as const;

const SHAPES =
  "a string, an array of strings, an array of token ids, an array of such arrays, or an array of [string, string] pairs";

/**
 * Parses `input`; throws ApiError naming the item. Lone surrogates become U+FFFD here, before anything is hashed or
 * tokenised.
 */
export function parseInput(value: unknown, onError: OnError): EmbeddingInput {
  if (value === undefined) throw apiError("missing_field", `\`input\` is missing: it must be ${SHAPES}.`, "input");
  if (typeof value === "string") return { kind: "texts", texts: [textItem(value, "input")], faults: NO_FAULTS };
  if (!Array.isArray(value)) {
    throw apiError("invalid_type", `\`input\` must be ${SHAPES}, not ${describe(value)}.`, "input");
  }
  const items: readonly unknown[] = value;
  const first = items[onError === "fail" ? 0 : Math.max(0, items.findIndex(tellsShape))];
  if (items.length === 0)
    throw apiError("empty_input", "`input` is an empty array: it must hold at least one item.", "input");
  if (typeof first === "number") return { kind: "ids", ids: [idsItem(items, "input")], faults: NO_FAULTS };
  checkCount(items.length);
  if (typeof first === "string") {
    const parsed = parseItems(items, onError, (item, i) => textItem(item, `input[${i}]`));
    return { kind: "texts", texts: parsed.items, faults: parsed.faults };
  }
  if (Array.isArray(first)) {
    const inner: unknown = first[0];
    return typeof inner === "string" ? parsePairs(items, onError) : idLists(items, onError);
  }
  throw apiError(
    "invalid_type",
    `\`input[0]\` must be a string, an array of token ids or a pair of strings, not ${describe(first)}.`,
    "input[0]",
  );
}

/** Whether an item says what all are. */
function tellsShape(item: unknown): boolean {
  const inner: unknown = Array.isArray(item) ? item[0] : item;
  return typeof inner === "string" || typeof inner === "number";
}

function parsePairs(items: readonly unknown[], onError: OnError): EmbeddingInput {
  checkCount(items.length * 2);
  const sides = items.flatMap((item) => [item, item]);
  const parsed = parseItems(sides, onError, (item, place) => pairSide(item, `input[${place >> 1}]`, place & 1));
  return { kind: "pairs", texts: parsed.items, faults: parsed.faults };
}

function pairSide(item: unknown, param: string, side: number): string {
  if (Array.isArray(item) && item.length === 2) return textItem(item[side], `${param}[${side}]`);
  throw apiError(
    "invalid_type",
    `\`${param}\` must be a pair of two strings like the items before it, not ${describe(item)}.`,
    param,
  );
}

function checkCount(count: number): void {
  if (count <= INPUTS_MAX) return;
  throw apiError(
    "too_many_inputs",
    `\`input\` has ${count} texts; a request takes at most ${INPUTS_MAX}: send several requests, or a batch.`,
    "input",
  );
}

/** How many there are is a fault of the whole request, whatever is wrong with single ones. */
function idLists(items: readonly unknown[], onError: OnError): EmbeddingInput {
  let count = 0;
  for (const [index, item] of items.entries()) {
    const own = Array.isArray(item) ? item.length : 0;
    // One that has too many by itself is told so.
    if (own <= REQUEST_TOKENS_MAX) count += own;
    if (count <= REQUEST_TOKENS_MAX) continue;
    throw apiError(
      "too_many_tokens",
      `\`input\` has over ${REQUEST_TOKENS_MAX} token ids up to \`input[${index}]\`; a request takes at most ${REQUEST_TOKENS_MAX} in all: send several requests, or a batch.`,
      "input",
    );
  }
  const parsed = parseItems(items, onError, (item, index) => idsItem(item, `input[${index}]`));
  return { kind: "ids", ids: parsed.items, faults: parsed.faults };
}

/** `value` as an array of at least one token id; throws ApiError naming `param`, or its item. */
export function idsItem(value: unknown, param: string): readonly number[] {
  if (!Array.isArray(value)) {
    throw apiError(
      "invalid_type",
      `\`${param}\` must be an array of token ids like the items before it, not ${describe(value)}.`,
      param,
    );
  }
  const ids: readonly unknown[] = value;
  if (ids.length === 0)
    throw apiError("empty_input", `\`${param}\` is an empty array: it must hold at least one token id.`, param);
  if (ids.length > REQUEST_TOKENS_MAX) {
    throw apiError(
      "too_many_tokens",
      `\`${param}\` has ${ids.length} token ids; a request takes at most ${REQUEST_TOKENS_MAX}.`,
      param,
    );
  }
  const checked: number[] = [];
  for (let index = 0; index < ids.length; index += 1) {
    const id = ids[index];
    if (typeof id !== "number") {
      throw apiError(
        "invalid_type",
        `\`${param}[${index}]\` must be a token id (a number), not ${describe(id)}.`,
        `${param}[${index}]`,
      );
    }
    if (!Number.isInteger(id) || id < 0 || id > 0x7fffffff) {
      throw apiError(
        "invalid_token_id",
        `\`${param}[${index}]\` is not a token id: ids are whole numbers from 0 up.`,
        `${param}[${index}]`,
      );
    }
    checked.push(id);
  }
  return checked;
}
