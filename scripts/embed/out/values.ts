// The numbers of a vector as a job stores it.

import type { Dtype } from "../job.ts";
import { unreachable } from "../../../shared/assert.ts";
import { float16BitsToFloat32 } from "../../../shared/float16.ts";

/**
 * bytes: one vector, little-endian. Float32Array [dimensions], Int8Array [dimensions], or Uint8Array [dimensions / 8].
 */
export function valuesOf(bytes: Buffer, dtype: Dtype): Float32Array | Int8Array | Uint8Array {
  // A copy, because a view of wider values must begin at a multiple of their size.
  const { buffer } = Uint8Array.from(bytes);
  switch (dtype) {
    case "float32":
      return new Float32Array(buffer);
    case "float16":
      return float16BitsToFloat32(new Uint16Array(buffer));
    case "int8":
      return new Int8Array(buffer);
    case "binary":
      return new Uint8Array(buffer);
    default:
      return unreachable(dtype);
  }
}
