// A pair's score as the edge carries it: in the place of a vector, its float32 as two words of 16 bits. So the cache,
// computations that calls share, batches and stored answers treat a pair as they treat a text.

import type { BackendReady } from "../../shared/wire.ts";

/** A float32. */
export const SCORE_WORDS = 2;

/** Words of 16 bits that a text's vector, or a pair's score, has. */
export function wordsOf({ kind, dimensions }: Pick<BackendReady, "kind" | "dimensions">): number {
  return kind === "reranker" ? SCORE_WORDS : dimensions;
}

/** float32 [pairs] → words [pairs, SCORE_WORDS]; undefined where one is not a number from 0 to 1. */
export function scoreBits(payload: Uint8Array<ArrayBuffer>, pairs: number): Uint16Array<ArrayBuffer> | undefined {
  const scores = new Float32Array(payload.buffer, payload.byteOffset, pairs);
  if (!scores.every((score) => score >= 0 && score <= 1)) return undefined;
  return new Uint16Array(payload.buffer, payload.byteOffset, pairs * SCORE_WORDS);
}

/** The score in 0..1 that `bits` hold. */
export function scoreOf(bits: Uint16Array): number {
  // Copied: the words of one pair may begin where no float32 may.
  const [score] = new Float32Array(bits.slice().buffer);
  if (score === undefined) throw new RangeError("a score has two words");
  return score;
}
