// What a text's row of the graph's output becomes: 16-bit words, which are all that the scheduler and the processes pass on.
// A vector's are its float16 values; a score's are the two halves of its float32. A row that is not finite becomes none.

import { assert } from "../../shared/assert.ts";
import { float32ToFloat16Bits } from "../../shared/float16.ts";
import type { ModelConfig } from "../checkpoint/read-config.ts";

export interface RowForm {
  /** Float32 values of a row as the graph gives it. */
  readonly values: number;
  /** Words of a row as it is passed on. */
  readonly words: number;
  /** undefined: the row is not finite, or no vector of length 1. */
  readonly encode: (row: Float32Array) => Uint16Array | undefined;
}

const WORDS_OF_A_SCORE = 2;

export function rowFormOf({ dimensions, reranker }: Pick<ModelConfig, "dimensions" | "reranker">): RowForm {
  return reranker === undefined
    ? { values: dimensions, words: dimensions, encode: encodeVector }
    : { values: 1, words: WORDS_OF_A_SCORE, encode: encodeScore };
}

function encodeVector(row: Float32Array): Uint16Array | undefined {
  return isUnit(row) ? float32ToFloat16Bits(row) : undefined;
}

/** Whether a row is finite and of length 1: NaN and infinity fail both comparisons, and so does a row of zeros. */
function isUnit(row: Float32Array): boolean {
  let sum = 0;
  for (let index = 0; index < row.length; index += 1) sum += (row[index] ?? 0) ** 2;
  return sum > 0.98 && sum < 1.02;
}

function encodeScore(row: Float32Array): Uint16Array | undefined {
  const [logit] = row;
  assert(logit !== undefined && row.length === 1, "a pair has one logit");
  return Number.isFinite(logit) ? new Uint16Array(Float32Array.of(scoreOf(logit)).buffer) : undefined;
}

/** From 0 to 1. In float64, once: a runtime's own kernel clamps what lies beyond 18. */
export function scoreOf(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}
