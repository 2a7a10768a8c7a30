// Turns the canonical vector (full length, L2-normalised, float16 bits) into the requested form: cut (Matryoshka),
// normalised again, quantised. Every answer, hit or miss, is made here, so that a cached answer equals the first one
// bit for bit. Types and ranges: docs/contract.md, Vectors.

import { assert, unreachable } from "./assert.ts";
import { float16BitsToNumber } from "./float16.ts";

export const OUTPUT_DTYPES = ["float", "int8", "uint8", "binary", "ubinary"] as const;
export type OutputDtype = (typeof OUTPUT_DTYPES)[number];

/** One vector as it will be written: numbers for JSON, and `bytes` for base64 (little-endian). */
export type OutputVector = Float32Array<ArrayBuffer> | Int8Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/**
 * The first `dimensions` components of a canonical vector, L2-normalised again: any prefix of a Matryoshka embedding is
 * an embedding once normalised, and float16 rounding left the norm of the whole only within 1e-3 of 1. canonical:
 * float16 bits [native]; dimensions: 1..native; returns float32 [dimensions], in `values` if given (so that many
 * vectors can reuse one buffer).
 */
export function cutVector(
  canonical: Uint16Array,
  dimensions: number,
  values: Float32Array<ArrayBuffer> = new Float32Array(dimensions),
): Float32Array<ArrayBuffer> {
  assert(dimensions >= 1 && dimensions <= canonical.length, "dimensions are checked before the cut");
  assert(values.length === dimensions, "a buffer of the cut's length");
  const fours = dimensions - (dimensions % 4);
  // Four at a time, in four sums: one sum would wait for each addition in turn. Squares of float16 values are multiples of
  // 2^-48, so the sums of a vector of norm 1 are exact in doubles, in any order.
  let first = 0;
  let second = 0;
  let third = 0;
  let fourth = 0;
  for (let index = 0; index < fours; index += 4) {
    const a = float16BitsToNumber(canonical[index] ?? 0);
    const b = float16BitsToNumber(canonical[index + 1] ?? 0);
    const c = float16BitsToNumber(canonical[index + 2] ?? 0);
    const d = float16BitsToNumber(canonical[index + 3] ?? 0);
    values[index] = a;
    values[index + 1] = b;
    values[index + 2] = c;
    values[index + 3] = d;
    first += a * a;
    second += b * b;
    third += c * c;
    fourth += d * d;
  }
  for (let index = fours; index < dimensions; index += 1) {
    const value = float16BitsToNumber(canonical[index] ?? 0);
    values[index] = value;
    first += value * value;
  }
  const squares = first + second + third + fourth;
  // A prefix of only zeros has no direction: it stays zero and does not become NaN.
  const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
  for (let index = 0; index < fours; index += 4) {
    values[index] = (values[index] ?? 0) * scale;
    values[index + 1] = (values[index + 1] ?? 0) * scale;
    values[index + 2] = (values[index + 2] ?? 0) * scale;
    values[index + 3] = (values[index + 3] ?? 0) * scale;
  }
  for (let index = fours; index < dimensions; index += 1) values[index] = (values[index] ?? 0) * scale;
  return values;
}

/**
 * Quantises a cut, normalised vector. `binary` and `ubinary` need a length divisible by 8 (checked with the request).
 */
export function quantise(values: Float32Array<ArrayBuffer>, dtype: OutputDtype): OutputVector {
  switch (dtype) {
    case "float":
      return values;
    case "int8":
      return toInt8(values);
    case "uint8":
      return Uint8Array.from(toInt8(values), (value) => value + 128);
    case "ubinary":
      return toBits(values);
    case "binary":
      return Int8Array.from(toBits(values), (byte) => byte - 128);
    default:
      return unreachable(dtype);
  }
}

/** round(127·x / max|x|), ties away from zero; a zero vector stays zero. */
function toInt8(values: Float32Array): Int8Array<ArrayBuffer> {
  let peak = 0;
  for (const value of values) peak = Math.max(peak, Math.abs(value));
  const scale = peak > 0 ? 127 / peak : 0;
  return Int8Array.from(values, (value) => Math.sign(value) * Math.round(Math.abs(value) * scale));
}

/** One bit a component, 1 where x > 0, most significant bit first: [n] → [n/8]. */
function toBits(values: Float32Array): Uint8Array<ArrayBuffer> {
  assert(values.length % 8 === 0, "binary dimensions are divisible by 8");
  const bytes = new Uint8Array(values.length / 8);
  for (let index = 0; index < values.length; index += 1) {
    if ((values[index] ?? 0) > 0) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (0x80 >> (index & 7));
  }
  return bytes;
}

/** The bytes of a vector for base64: little-endian float32, or one byte per component. A view, not a copy. */
export function vectorBytes(vector: OutputVector): Uint8Array<ArrayBuffer> {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}

/** Dot product in double precision: the cosine of two normalised vectors of equal length. */
export function dotProduct(a: Float32Array, b: Float32Array): number {
  assert(a.length === b.length, "vectors of one length");
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += (a[index] ?? 0) * (b[index] ?? 0);
  return sum;
}

/** The cosine of two normalised vectors, clamped to ±1, which float32 rounding may exceed. */
export function cosine(a: Float32Array, b: Float32Array): number {
  return Math.min(1, Math.max(-1, dotProduct(a, b)));
}
