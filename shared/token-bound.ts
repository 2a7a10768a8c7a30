// An upper bound of a text's token count that needs no tokenizer: what a lease must cover before the exact count is
// known. Byte-level BPE never makes more tokens than bytes, but it sees the text after NFC, and NFC can grow a text
// (U+1D160 becomes three code points), so the normalised bytes are counted.

/** Bound in tokens for `text` (instruction included by the caller): UTF-8 bytes of its NFC form + 1 for the ending token. */
export function tokenBound(text: string): number {
  return utf8Length(text.normalize("NFC")) + 1;
}

/** The longest token of cl100k_base and of o200k_base, in bytes (both have tokens of 128 spaces or dashes). */
const FOREIGN_TOKEN_BYTES_MAX = 128;
/** NFC grows UTF-8 threefold at most (Unicode, UAX 15). */
const NFC_GROWTH_MAX = 3;

/** Bound in tokens for token ids: exact for the model's own; of another encoding each may stand for many. */
export function idsBound({ ids, encoding }: { readonly ids: readonly number[]; readonly encoding?: string }): number {
  return ids.length * (encoding === undefined ? 1 : FOREIGN_TOKEN_BYTES_MAX * NFC_GROWTH_MAX) + 1;
}

/** UTF-8 bytes of `text`, without encoding it; a lone surrogate counts 3, as its replacement U+FFFD does. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(index + 1))) {
      bytes += 2;
      index += 1;
    } else bytes += 2;
  }
  return bytes;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

/** The instruction prefix of a query: no space after the colon, as the model was trained (its card, and product.md). */
export function instructionPrefix(instruction: string): string {
  return `Instruct: ${instruction}\nQuery:`;
}

export const DEFAULT_QUERY_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query";
