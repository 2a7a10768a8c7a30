// The `input` field of an embeddings request: a string, strings, token ids, lists of token ids, or pairs of strings.
// Checked by plain loops: a schema library that checks each of 300,000 token ids costs 80 times as much (measured).
// Every fault names its item.

import { apiError } from "../errors.ts";
import { describe } from "./shown.ts";
import { INPUTS_MAX, PAIR_SCHEMA, TEXT_SCHEMA, textItem } from "./texts.ts";

/** The most tokens in all inputs of one request. */
export const REQUEST_TOKENS_MAX = 300_000;

export type EmbeddingInput =
  | { readonly kind: "texts"; readonly texts: readonly string[] }
  /** texts[2i] and texts[2i+1] are pair i. */
  | { readonly kind: "pairs"; readonly texts: readonly string[] }
  | { readonly kind: "ids"; readonly ids: readonly (readonly number[])[] };

const IDS_SCHEMA = { type: "array", items: { type: "integer", minimum: 0, maximum: 0x7fffffff }, minItems: 1 } as const;

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
export function parseInput(value: unknown): EmbeddingInput {
  if (value === undefined) throw apiError("missing_field", `\`input\` is missing: it must be ${SHAPES}.`, "input");
  if (typeof value === "string") return { kind: "texts", texts: [textItem(value, "input")] };
  if (!Array.isArray(value)) {
    throw apiError("invalid_type", `\`input\` must be ${SHAPES}, not ${describe(value)}.`, "input");
  }
  const items: readonly unknown[] = value;
  const [first] = items;
  if (items.length === 0)
    throw apiError("empty_input", "`input` is an empty array: it must hold at least one item.", "input");
  if (typeof first === "number") return { kind: "ids", ids: [idsItem(items, "input")] };
  checkCount(items.length);
  if (typeof first === "string") return { kind: "texts", texts: items.map((item, i) => textItem(item, `input[${i}]`)) };
  if (Array.isArray(first)) {
    const inner: unknown = first[0];
    return typeof inner === "string" ? parsePairs(items) : { kind: "ids", ids: idLists(items) };
  }
  throw apiError(
    "invalid_type",
    `\`input[0]\` must be a string, an array of token ids or a pair of strings, not ${describe(first)}.`,
    "input[0]",
  );
}

function parsePairs(items: readonly unknown[]): EmbeddingInput {
  checkCount(items.length * 2);
  const texts = items.flatMap((item, i) => {
    const param = `input[${i}]`;
    if (!Array.isArray(item) || item.length !== 2) {
      throw apiError(
        "invalid_type",
        `\`${param}\` must be a pair of two strings like the items before it, not ${describe(item)}.`,
        param,
      );
    }
    const pair: readonly unknown[] = item;
    return pair.map((text, side) => textItem(text, `${param}[${side}]`));
  });
  return { kind: "pairs", texts };
}

function checkCount(count: number): void {
  if (count <= INPUTS_MAX) return;
  throw apiError(
    "too_many_inputs",
    `\`input\` has ${count} texts; a request takes at most ${INPUTS_MAX}: send several requests, or a batch.`,
    "input",
  );
}

/** Counts while reading, so that an array that is too long is not read to its end. */
function idLists(items: readonly unknown[]): readonly (readonly number[])[] {
  let left = REQUEST_TOKENS_MAX;
  return items.map((item, index) => {
    const param = `input[${index}]`;
    const ids = idsItem(item, param);
    left -= ids.length;
    if (left >= 0) return ids;
    throw apiError(
      "too_many_tokens",
      `\`input\` has over ${REQUEST_TOKENS_MAX} token ids up to \`${param}\`; a request takes at most ${REQUEST_TOKENS_MAX} in all: send several requests, or a batch.`,
      "input",
    );
  });
}

function idsItem(value: unknown, param: string): readonly number[] {
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
