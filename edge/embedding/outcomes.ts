// What became of a text of a call: embedded, found or at fault. Pure.

import type { BackendReady, ItemFault } from "../../shared/wire.ts";
import type { Embedded } from "../backend/client.ts";
import { wordsOf } from "../backend/score-bits.ts";
import type { CacheEntry } from "../cache/entry.ts";
import type { EmbeddedText } from "./types.ts";

/**
 * What became of a distinct text: plain bytes, never a stream, which would belong to one request. A fault is the call's own:
 * it is neither shared nor cached.
 */
export type Outcome = EmbeddedText | ItemFault;

export function missing(results: readonly (Outcome | undefined)[]): number[] {
  const indexes: number[] = [];
  for (let index = 0; index < results.length; index += 1) if (results[index] === undefined) indexes.push(index);
  return indexes;
}

export function fits(entry: CacheEntry, ready: BackendReady): boolean {
  return entry.vector.length === wordsOf(ready);
}

export function hitOf(entry: CacheEntry): EmbeddedText {
  return { vector: entry.vector, tokens: entry.tokens, hit: true };
}

/** By text of the call; only texts without a fault have a row of vectors. */
export function outcomesOf({ dimensions, tokens, vectors, faults = [] }: Embedded): Outcome[] {
  let row = 0;
  return tokens.map((count, place) => {
    const fault = faults[place - row];
    if (fault?.index === place) return fault;
    const vector = vectors.subarray(row * dimensions, (row + 1) * dimensions);
    row += 1;
    return { vector, tokens: count, hit: false };
  });
}
