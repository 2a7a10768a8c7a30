// The items of a list, each judged by itself: one at fault fails the call, or under `on_error: "per_item"` has its fault in
// its place. Rules: docs/contract.md, Errors.

import { apiError, ApiError } from "../errors.ts";
import type { Fault } from "../errors.ts";
import { ON_ERROR } from "../wire.ts";
import type { OnError } from "../wire.ts";
import { oneOf } from "./fields.ts";

/** By an item's place in the caller's list. */
export type ItemFaults = ReadonlyMap<number, Fault>;

export interface ParsedItems<Item> {
  /** Of the items that are right, in order. */
  readonly items: readonly Item[];
  readonly faults: ItemFaults;
}

export const onErrorField = oneOf(ON_ERROR)
  .describe("per_item: an item at fault has an error in its place, and the others are answered and charged.")
  .optional();

/** `NAME:per_item`, perhaps between other suffixes. */
const SUFFIX = /:per_item(?=$|[:@])/;
export const NO_FAULTS: ItemFaults = new Map();

/** The field, or the model's suffix; they may not contradict. Throws ApiError. */
export function onErrorOf(field: OnError | undefined, model: string): OnError {
  if (field === "per_item" || !SUFFIX.test(model)) return field ?? "fail";
  if (field === undefined) return "per_item";
  throw apiError(
    "incompatible_options",
    '`on_error` is "fail", the model\'s suffix says "per_item": send one of them.',
    "on_error",
  );
}

/** What `parse` makes of each of `values`. Throws its ApiError for the first at fault, or where all are. */
export function parseItems<Value, Item>(
  values: readonly Value[],
  onError: OnError,
  parse: (value: Value, index: number) => Item,
): ParsedItems<Item> {
  if (onError === "fail") return { items: values.map(parse), faults: NO_FAULTS };
  const items: Item[] = [];
  const faults = new Map<number, Fault>();
  for (const [index, value] of values.entries()) {
    try {
      items.push(parse(value, index));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      faults.set(index, error.fault);
    }
  }
  const [first] = faults.values();
  if (items.length === 0 && first !== undefined) throw new ApiError(first);
  return { items, faults };
}

/** From the place among the items that are right to the place in the caller's list. */
export function placeOf(index: number, faults: ItemFaults): number {
  let place = index;
  for (const bad of faults.keys()) {
    if (bad > place) break;
    place += 1;
  }
  return place;
}
