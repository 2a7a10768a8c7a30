// The items of a call: under `on_error: "per_item"` each is answered or at fault by itself (docs/contract.md, Errors).

import type { ErrorItem } from "../answer/embeddings-body.ts";
import { isFailed } from "../embedding/types.ts";
import type { FailedText } from "../embedding/types.ts";
import type { UsageAnswer } from "../metering/usage-answer.ts";
import { ApiError, errorObject } from "../../shared/errors.ts";
import type { ItemFaults } from "../../shared/schemas/items.ts";
import type { OnError } from "../../shared/wire.ts";

/** The caller's items in order: those of `items`, and in the places of `faults` the ones that were never sent. */
export function inPlaces<Item>(items: readonly Item[], faults: ItemFaults): readonly (Item | FailedText)[] {
  if (faults.size === 0) return items;
  const places: (Item | FailedText)[] = [];
  const takeFaults = (): void => {
    for (let fault = faults.get(places.length); fault !== undefined; fault = faults.get(places.length)) {
      places.push({ fault });
    }
  };
  for (const item of items) {
    takeFaults();
    places.push(item);
  }
  takeFaults();
  return places;
}

/** The items that have an answer. Throws the first fault where none has. */
export function answered<Item extends object>(places: readonly (Item | FailedText)[]): readonly Item[] {
  const items: Item[] = [];
  for (const place of places) if (!isFailed(place)) items.push(place);
  const [first] = places;
  if (items.length === 0 && first !== undefined && isFailed(first)) throw new ApiError(first.fault);
  return items;
}

/** What stands in the answer for an item at fault. */
export function errorItem({ fault }: FailedText, index: number): ErrorItem {
  return { object: "error", index, error: errorObject(fault) };
}

/** Of all items at fault. */
export function errorItems(places: readonly object[]): readonly ErrorItem[] {
  return places.flatMap((place, index) => (isFailed(place) ? [errorItem(place, index)] : []));
}

/** `usage` with the number of failed items, for a caller who lets single items fail. */
export function usageOfItems(usage: UsageAnswer, onError: OnError, failedItems: number): UsageAnswer {
  return onError === "fail" ? usage : { ...usage, failed_items: failedItems };
}
