// Base62 of fixed length: letters and digits need no escaping in shells and URLs, and a double click selects them. n
// bytes always take the same number of characters, so that the length is checked before decoding.

import { assert } from "./assert.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LIMB_BYTES = 5;
const LIMB = 256 ** LIMB_BYTES;
const VALUES = new Map(Array.from(ALPHABET, (character, value) => [character, value]));

/** Characters that `bytes` bytes take: ceil(8·bytes / log2 62). */
export function base62Length(bytes: number): number {
  return Math.ceil((bytes * 8) / Math.log2(62));
}

/** Big-endian base62, left-padded with "0" to `base62Length(bytes.length)`. */
export function encodeBase62(bytes: Uint8Array): string {
  // Long division, digit by digit: every request has an id, and BigInt would allocate a number for each step.
  const limbs = limbsOf(bytes);
  let text = "";
  for (let position = base62Length(bytes.length); position > 0; position -= 1) {
    let rest = 0;
    for (let index = 0; index < limbs.length; index += 1) {
      const dividend = rest * LIMB + (limbs[index] ?? 0);
      const quotient = Math.floor(dividend / 62);
      limbs[index] = quotient;
      rest = dividend - quotient * 62;
    }
    text = ALPHABET.charAt(rest) + text;
  }
  assert(!limbs.some(Boolean), "base62 length too short for its bytes");
  return text;
}

/** Big-endian, five bytes each, so that a limb and a rest of 62 before it are exact in a double. */
function limbsOf(bytes: Uint8Array): number[] {
  const limbs: number[] = [];
  const first = bytes.length % LIMB_BYTES;
  for (let end = first === 0 ? LIMB_BYTES : first; end <= bytes.length; end += LIMB_BYTES) {
    let limb = 0;
    for (let index = Math.max(0, end - LIMB_BYTES); index < end; index += 1) limb = limb * 256 + (bytes[index] ?? 0);
    limbs.push(limb);
  }
  return limbs;
}

/** The `byteLength` bytes that `text` encodes; undefined for another length, another character or too large a value. */
export function decodeBase62(text: string, byteLength: number): Uint8Array<ArrayBuffer> | undefined {
  if (text.length !== base62Length(byteLength)) return undefined;
  let value = 0n;
  for (const character of text) {
    const digit = VALUES.get(character);
    if (digit === undefined) return undefined;
    value = value * 62n + BigInt(digit);
  }
  if (value >> BigInt(byteLength * 8) !== 0n) return undefined;
  const bytes = new Uint8Array(byteLength);
  for (let position = byteLength - 1; position >= 0; position -= 1) {
    bytes[position] = Number(value & 0xffn);
    value >>= 8n;
  }
  return bytes;
}
