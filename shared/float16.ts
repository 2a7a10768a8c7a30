// IEEE 754 binary16 as bits in a Uint16Array. Canonical vectors are sent and stored as float16 (docs/contract.md,
// Vectors), and Node 20 and workerd have no Float16Array yet, so both sides share this conversion.

const scratchFloat = new Float32Array(1);
const scratchBits = new Uint32Array(scratchFloat.buffer);

/** All 65,536 values, 256 KB: a look-up is several times faster than assembling the bits for each component. */
const VALUES = buildValues();

/** The float32 value of one float16 bit pattern. Exact. */
export function float16BitsToNumber(bits: number): number {
  return VALUES[bits & 0xffff] ?? Number.NaN;
}

/** float16 bits [n] → float32 [n]. Exact. */
export function float16BitsToFloat32(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(bits.length);
  for (let index = 0; index < bits.length; index += 1) values[index] = VALUES[bits[index] ?? 0] ?? 0;
  return values;
}

/** float32 [n] → float16 bits [n], rounded to nearest, ties to even; overflow becomes infinity, NaN stays NaN. */
export function float32ToFloat16Bits(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint16Array(values.length);
  for (let index = 0; index < values.length; index += 1) bits[index] = numberToFloat16Bits(values[index] ?? 0);
  return bits;
}

/** One float32 value → float16 bits, rounded to nearest, ties to even. */
export function numberToFloat16Bits(value: number): number {
  scratchFloat[0] = value;
  const word = scratchBits[0] ?? 0;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // at or above 2^16
  if (magnitude >= 0x38800000) {
    // Normal in float16: rebias the exponent, round the 13 bits that fall away (a carry may reach infinity, rightly).
    const rebiased = magnitude - 0x38000000;
    return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
  }
  if (magnitude <= 0x33000000) return sign; // at or below half the least subnormal
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const truncated = mantissa >>> shift;
  const remainder = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const up = remainder > half || (remainder === half && (truncated & 1) === 1);
  return sign | (truncated + (up ? 1 : 0));
}

function buildValues(): Float32Array {
  const values = new Float32Array(65_536);
  for (let bits = 0; bits < 65_536; bits += 1) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >>> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0x1f) values[bits] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    else if (exponent === 0) values[bits] = sign * fraction * 2 ** -24;
    else values[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return values;
}
