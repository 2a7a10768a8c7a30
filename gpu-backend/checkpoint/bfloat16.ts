// bfloat16 as bits: the upper half of a float32. Checkpoints come in it, and the cuda-bf16 target computes in it.

/** bfloat16 bits [n] → float32 [n]. Exact. */
export function bfloat16BitsToFloat32(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(bits.length);
  for (let index = 0; index < bits.length; index += 1) words[index] = (bits[index] ?? 0) << 16;
  return new Float32Array(words.buffer);
}

/** float32 [n], finite → bfloat16 bits [n], rounded to nearest, ties to even. */
export function float32ToBfloat16Bits(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? 0;
    bits[index] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return bits;
}
