// Base62 of fixed length: letters and digits need no escaping in shells and URLs, and a double click selects them. n
// bytes always take the same number of characters, so that the length is checked before decoding.

import { assert } from "./assert.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const VALUES = new Map(Array.from(ALPHABET, (character, value) => [character, value]));

/** Characters that `bytes` bytes take: ceil(8·bytes / log2 62). */
export function base62Length(bytes: number): number {
  return Math.ceil((bytes * 8) / Math.log2(62));
}

/** Big-endian base62, left-padded with "0" to `base62Length(bytes.length)`. */
export function encodeBase62(bytes: Uint8Array): string {
  // Long division, digit by digit: every request has an id, and BigInt would allocate a number for each step.
  const value = bytes.slice();
  let text = "";
  for (let position = base62Length(bytes.length); position > 0; position -= 1) {
    let rest = 0;
    for (let index = 0; index < value.length; index += 1) {
      const dividend = rest * 256 + (value[index] ?? 0);
      value[index] = Math.floor(dividend / 62);
      rest = dividend % 62;
    }
    text = ALPHABET.charAt(rest) + text;
  }
  assert(!value.some(Boolean), "base62 length too short for its bytes");
  return text;
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
