// Checks texts for every route: non-empty strings, limited in number; every fault names its item. A lone surrogate
// becomes U+FFFD here, before anything is hashed or tokenised.

import { apiError } from "../errors.ts";
import { describe } from "./shown.ts";

/** The most texts of one request. */
export const INPUTS_MAX = 2048;

/** What the hand-written parsers below accept, for the published document. */
export const TEXT_SCHEMA = { type: "string", minLength: 1 } as const;
export const PAIR_SCHEMA = { type: "array", items: TEXT_SCHEMA, minItems: 2, maxItems: 2 } as const;

/** `value` as a well-formed string of at least one character; throws ApiError naming `param`. */
export function textItem(value: unknown, param: string): string {
  if (typeof value !== "string") {
    throw apiError("invalid_type", `\`${param}\` must be a string, not ${describe(value)}.`, param);
  }
  if (value === "")
    throw apiError("empty_input", `\`${param}\` is an empty string: every text needs at least one character.`, param);
  return value.toWellFormed();
}

/** `value` as an array of 1..`max` items; throws ApiError naming `name`. */
export function itemList(value: unknown, name: string, what: string, max: number): readonly unknown[] {
  if (value === undefined) throw apiError("missing_field", `\`${name}\` is missing: it must be ${what}.`, name);
  if (!Array.isArray(value)) {
    throw apiError("invalid_type", `\`${name}\` must be ${what}, not ${describe(value)}.`, name);
  }
  const items: readonly unknown[] = value;
  if (items.length === 0) throw apiError("empty_input", `\`${name}\` is an empty array: it must be ${what}.`, name);
  if (items.length > max) {
    throw apiError(
      "too_many_inputs",
      `\`${name}\` has ${items.length} items; a request takes at most ${max}: send several requests, or a batch.`,
      name,
    );
  }
  return items;
}
