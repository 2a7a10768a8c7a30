// An upper bound of a text's token count that needs no tokenizer: a lease must cover it before the exact count is known.
// It holds for every kind of tokenizer that runs here (gpu-backend/checkpoint/tokenizer-kinds.ts):
//   byte-level BPE             a token has at least a byte of the text in NFC, and NFC can grow a text (U+1D160 becomes
//                              three code points);
//   BPE that falls back to bytes   at least a byte of the text as it is;
//   WordPiece, Unigram         at least a character of the normalised text: no normaliser grows a text beyond NFKD
//                              (U+FDFA becomes eighteen code points), and each space that a mark stands for is a
//                              character.
// So each character counts what it is worst for. Linear time for every text.

/** What a template adds around a text ([CLS] and [SEP], say): a backend refuses a tokenizer that adds more. */
export const TEMPLATE_TOKENS_MAX = 2;
/** A tokenizer that marks the beginnings of words may put a mark before the first one too. */
const TOKENS_AROUND_MAX = TEMPLATE_TOKENS_MAX + 1;

/** Bound in tokens for `text` without a prefix. */
export function tokenBound(text: string): number {
  return tokensMax(text, false) + TOKENS_AROUND_MAX;
}

/** Bound in tokens that `prefix` adds to each text after it, whose first character may join the prefix's last one. */
export function prefixBound(prefix: string): number {
  return tokensMax(prefix, true);
}

/** The longest token of cl100k_base and of o200k_base, in bytes (both have tokens of 128 spaces or dashes). */
const FOREIGN_TOKEN_BYTES_MAX = 128;
/** The most that a character counts, for each of its UTF-8 bytes (U+FDFA). */
const GROWTH_MAX = 6;

/** Bound in tokens for token ids: exact for the model's own ids; an id of another encoding may become many. */
export function idsBound({ ids, encoding }: { readonly ids: readonly number[]; readonly encoding?: string }): number {
  if (encoding === undefined) return ids.length + TEMPLATE_TOKENS_MAX;
  return ids.length * FOREIGN_TOKEN_BYTES_MAX * GROWTH_MAX + TOKENS_AROUND_MAX;
}

/**
 * Characters that NFC may join to the one before: marks, and letters that compose backwards (jamo, Kirat Rai). Every
 * other character begins a segment that NFC treats separately.
 */
const JOINING = /^[\p{M}\u1161-\u1175\u11a8-\u11c2\u{16d67}\u{16d68}]$/u;

/**
 * The most tokens of `text` itself. A character with marks counts the bytes of its decomposition, because no composition
 * is longer than its parts. The text is not normalised, because that takes time quadratic in the length of a run of
 * marks: 400,000 of them stop a thread for ten seconds. `isJoined`: whether what follows may join the last character.
 */
function tokensMax(text: string, isJoined: boolean): number {
  let tokens = 0;
  for (let at = text.length - 1; at >= 0; at -= 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) {
      tokens += 1;
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
    tokens += joins || isJoined ? (facts >> DECOMPOSED_SHIFT) & TOKENS_MASK : facts & TOKENS_MASK;
    isJoined = joins;
  }
  return tokens;
}

/**
 * Layout of an entry of `known`: what the character counts by itself (lowest bits), beside a mark, and whether it joins.
 */
const TOKENS_MASK = 0x3f;
const DECOMPOSED_SHIFT = 6;
const JOINS = 0x1000;
/** By code point, 0 until first seen: normalising each character of a text would cost more than the tokenizer. */
const known = new Uint16Array(0x11_0000);

function learn(point: number): number {
  const character = String.fromCodePoint(point);
  const least = Math.max(utf8Length(character), Array.from(character.normalize("NFKD")).length);
  const alone = Math.max(least, utf8Length(character.normalize("NFC")));
  const joined = Math.max(least, utf8Length(character.normalize("NFD")));
  const facts = alone | (joined << DECOMPOSED_SHIFT) | (JOINING.test(character) ? JOINS : 0);
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

/** Where an instruction stands in a prompt that takes one. */
export const INSTRUCTION_PLACE = "{instruction}";

/** The instruction in a prompt of that form; null for any other prompt. */
export function instructionOf(prompt: string): string | null {
  return /^Instruct: (.*)\nQuery:$/s.exec(prompt)?.[1] ?? null;
}

export const DEFAULT_QUERY_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query";
