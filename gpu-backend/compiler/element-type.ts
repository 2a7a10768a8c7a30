// The float types a graph computes in, and values in them.

import { unreachable } from "../../shared/assert.ts";
import { float32ToFloat16Bits } from "../../shared/float16.ts";
import { float32ToBfloat16Bits } from "../checkpoint/bfloat16.ts";

export type ElementType = "float32" | "float16" | "bfloat16";

/** float32 values as little-endian bytes in `type`, rounded to nearest even. */
export function encodeFloats(values: Float32Array, type: ElementType): Uint8Array {
  switch (type) {
    case "float32":
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    case "float16":
      return new Uint8Array(float32ToFloat16Bits(values).buffer);
    case "bfloat16":
      return new Uint8Array(float32ToBfloat16Bits(values).buffer);
    default:
      return unreachable(type);
  }
}
