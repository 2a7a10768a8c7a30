// An upper bound of a text's token count that needs no tokenizer: a lease must cover it before the exact count is
// known. Byte-level BPE never makes more tokens than bytes, but it gets the text after NFC, and NFC can grow a text
// (U+1D160 becomes three code points), so the bytes after NFC are bounded. Linear time for every text.

/** Bound in tokens for `text` without a prefix: the most UTF-8 bytes of its NFC form, + 1 for the ending token. */
export function tokenBound(text: string): number {
  return nfcBytesMax(text) + 1;
}

/**
 * Bound in tokens that `prefix` adds to each text after it. The bounds can be added, because the prefixes of this
 * family (`instructionPrefix`) end with a character that no mark composes with.
 */
export function prefixBound(prefix: string): number {
  return nfcBytesMax(prefix);
}

/** The longest token of cl100k_base and of o200k_base, in bytes (both have tokens of 128 spaces or dashes). */
const FOREIGN_TOKEN_BYTES_MAX = 128;
/** Canonical decomposition, and so NFC, at most triples the UTF-8 bytes (Unicode, UAX 15). */
const NFC_GROWTH_MAX = 3;

/** Bound in tokens for token ids: exact for the model's own ids; an id of another encoding may become many. */
export function idsBound({ ids, encoding }: { readonly ids: readonly number[]; readonly encoding?: string }): number {
  return ids.length * (encoding === undefined ? 1 : FOREIGN_TOKEN_BYTES_MAX * NFC_GROWTH_MAX) + 1;
}

/**
 * Characters that NFC may join to the one before: marks, and letters that compose backwards (jamo, Kirat Rai). Every
 * other character begins a segment that NFC treats separately.
 */
const JOINING = /^[\p{M}\u1161-\u1175\u11a8-\u11c2\u{16d67}\u{16d68}]$/u;

/**
 * The most UTF-8 bytes of `text` in NFC: exact for a character without marks; with marks, the bytes of its
 * decomposition, because no composition is longer than its parts. The text is not normalised, because that takes time
 * quadratic in the length of a run of marks: 400,000 of them stop a thread for ten seconds.
 */
function nfcBytesMax(text: string): number {
  let bytes = 0;
  let isJoined = false; // whether the next character joins this one
  for (let at = text.length - 1; at >= 0; at -= 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) {
      bytes += 1;
      isJoined = false;
      continue;
    }
    let point = unit;
    if (isLowSurrogate(unit) && at > 0 && isHighSurrogate(text.charCodeAt(at - 1))) {
      at -= 1;
      point = ((text.charCodeAt(at) - 0xd800) << 10) + (unit - 0xdc00) + 0x1_0000;
    }
    const facts = known[point] || learn(point);
    const joins = facts >= JOINS;
    bytes += joins || isJoined ? (facts >> DECOMPOSED_SHIFT) & BYTES_MASK : facts & BYTES_MASK;
    isJoined = joins;
  }
  return bytes;
}

/**
 * Layout of an entry of `known`: the character's bytes in NFC (lowest bits), its bytes in NFD, and whether it joins.
 */
const BYTES_MASK = 0x3f;
const DECOMPOSED_SHIFT = 6;
const JOINS = 0x1000;
/** By code point, 0 until first seen: normalising each character of a text would cost more than the tokenizer. */
const known = new Uint16Array(0x11_0000);

function learn(point: number): number {
  const character = String.fromCodePoint(point);
  const [composed, decomposed] = [utf8Length(character.normalize("NFC")), utf8Length(character.normalize("NFD"))];
  const facts = composed | (decomposed << DECOMPOSED_SHIFT) | (JOINING.test(character) ? JOINS : 0);
  known[point] = facts;
  return facts;
}

/** UTF-8 bytes of `text`, without encoding it; a lone surrogate counts 3, like its replacement U+FFFD. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(index + 1))) {
      bytes += 2;
      index += 1;
    } else bytes += 2;
  }
  return bytes;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

/**
 * The instruction prefix of a query: no space after the colon, as the model was trained (its card; docs/contract.md,
 * Embeddings).
 */
export function instructionPrefix(instruction: string): string {
  return `Instruct: ${instruction}\nQuery:`;
}

/** The instruction in a prompt of that form; null for any other prompt. */
export function instructionOf(prompt: string): string | null {
  return /^Instruct: (.*)\nQuery:$/s.exec(prompt)?.[1] ?? null;
}

export const DEFAULT_QUERY_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query";
