// An upper bound of a text's token count that needs no tokenizer: what a lease must cover before the exact count is
// known. Byte-level BPE never makes more tokens than bytes, but it sees the text after NFC, and NFC can grow a text
// (U+1D160 becomes three code points), so the normalised bytes are counted. Linear in the text, whatever is in it.

/** Bound in tokens for `text` alone: UTF-8 bytes of its NFC form + 1 for the ending token. */
export function tokenBound(text: string): number {
  return nfcBytesMax(text) + 1;
}

/**
 * Bound in tokens that `prefix` adds to each text behind it. Exact bytes add up because the prefixes of this family
 * (`instructionPrefix`) end with a character that no mark composes with.
 */
export function prefixBound(prefix: string): number {
  return nfcBytesMax(prefix);
}

/** The longest token of cl100k_base and of o200k_base, in bytes (both have tokens of 128 spaces or dashes). */
const FOREIGN_TOKEN_BYTES_MAX = 128;
/** Canonical decomposition, and so NFC, grows UTF-8 threefold at most (Unicode, UAX 15). */
const NFC_GROWTH_MAX = 3;

/** Bound in tokens for token ids: exact for the model's own; of another encoding each may stand for many. */
export function idsBound({ ids, encoding }: { readonly ids: readonly number[]; readonly encoding?: string }): number {
  return ids.length * (encoding === undefined ? 1 : FOREIGN_TOKEN_BYTES_MAX * NFC_GROWTH_MAX) + 1;
}

/** NFC leaves everything below U+0300 as it is. */
const MAY_CHANGE = /[\u0300-\uffff]/;
/**
 * What NFC may join to the character before it: marks, and letters that compose backwards (jamo, Kirat Rai). It sorts
 * and joins a run of them in a time that is quadratic in its length: 400,000 marks stop a thread for ten seconds.
 */
const JOINING = /^[\p{M}\u1161-\u1175\u11a8-\u11c2\u{16d67}]$/u;
/** UTF-16 units. No script needs more than 30 marks (the stream-safe format of UAX 15). */
const JOINING_RUN_MAX = 30;

/** UTF-8 bytes of `text` in NFC; of a run over JOINING_RUN_MAX the most that it could become. */
function nfcBytesMax(text: string): number {
  if (!MAY_CHANGE.test(text)) return utf8Length(text);
  let bytes = 0;
  let from = 0;
  let run = 0;
  for (let at = 0; at <= text.length; at += 1) {
    const units = joiningUnits(text, at);
    if (units > 0) {
      run += units;
      at += units - 1;
      continue;
    }
    if (run > JOINING_RUN_MAX) {
      bytes += utf8Length(text.slice(from, at - run).normalize("NFC"));
      bytes += utf8Length(text.slice(at - run, at)) * NFC_GROWTH_MAX;
      from = at;
    }
    run = 0;
  }
  return bytes + utf8Length(text.slice(from).normalize("NFC"));
}

const IS_JOINING = 1;
const IS_OTHER = 2;
/** By UTF-16 unit, filled when one is first seen: a Unicode property test a character would cost more than the tokenizer. */
const known = new Uint8Array(0x1_0000);

/** Units of the joining character that begins at `at`: 0 where none does, 2 beyond the basic plane. */
function joiningUnits(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  // Also behind the end, where the unit is not a number.
  if (!(unit >= 0x300)) return 0;
  if (isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(at + 1))) {
    return JOINING.test(text.slice(at, at + 2)) ? 2 : 0;
  }
  if (known[unit] === 0) known[unit] = JOINING.test(String.fromCharCode(unit)) ? IS_JOINING : IS_OTHER;
  return known[unit] === IS_JOINING ? 1 : 0;
}

/** UTF-8 bytes of `text`, without encoding it; a lone surrogate counts 3, as its replacement U+FFFD does. */
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

/** The instruction prefix of a query: no space after the colon, as the model was trained (its card; docs/contract.md, Embeddings). */
export function instructionPrefix(instruction: string): string {
  return `Instruct: ${instruction}\nQuery:`;
}

/** The instruction in a prompt of that form; null for a prompt of another one. */
export function instructionOf(prompt: string): string | null {
  return /^Instruct: (.*)\nQuery:$/s.exec(prompt)?.[1] ?? null;
}

export const DEFAULT_QUERY_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query";
