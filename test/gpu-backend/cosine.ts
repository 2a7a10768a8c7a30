// Comparing canonical vectors with references: 1 - cosine, in float64.

import { float16BitsToFloat32 } from "../../shared/float16.ts";

/** 1 - cos of two vectors of one length. */
export function distance(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let dot = 0;
  let leftSquares = 0;
  let rightSquares = 0;
  for (let index = 0; index < left.length; index += 1) {
    const [a, b] = [left[index] ?? 0, right[index] ?? 0];
    dot += a * b;
    leftSquares += a * a;
    rightSquares += b * b;
  }
  return 1 - dot / Math.sqrt(leftSquares * rightSquares);
}

/** Row `index` of [texts, size] float16 bits, as float32. */
export function row(vectors: Uint16Array, index: number, size: number): Float32Array {
  return float16BitsToFloat32(vectors.subarray(index * size, (index + 1) * size));
}

/** Largest 1 - cos over rows of two lists of vectors. */
export function worstDistance(left: readonly ArrayLike<number>[], right: readonly ArrayLike<number>[]): number {
  return Math.max(...left.map((vector, index) => distance(vector, right[index] ?? [])));
}
