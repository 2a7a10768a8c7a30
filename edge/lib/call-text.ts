// One text of a call, as a caller sends it and a backend gets it, and the query of a call that scores its texts.

import { utf8Length } from "../../shared/token-bound.ts";
import type { Reranker, TokenEncoding } from "../../shared/wire.ts";

export type CallText =
  | { readonly kind: "text"; readonly text: string }
  /** `encoding`: of another tokenizer, whose ids the backend decodes to text; absent: the model's own ids. */
  | { readonly kind: "ids"; readonly ids: readonly number[]; readonly encoding?: TokenEncoding };

/** The query of a reranker's call: each text of the call is a document that makes a pair with it. */
export interface ScoreQuery {
  readonly text: string;
  /** Null: the model's own. */
  readonly instruction: string | null;
  /** As announced when the call was prepared; undefined: no backend had announced it. */
  readonly takes: Reranker | undefined;
}

/** About the bytes of English per token. */
const BYTES_PER_TOKEN = 4;
/** In UTF-16 units: a longer text is estimated by every sixteenth of them. */
const COUNTED_LENGTH_MAX = 256;
const SAMPLE_OF = 16;

/** About the tokens of `text`. Only shares of work and the cache's tiers are decided by it, never money. */
export function tokensAbout(text: string): number {
  return bytesAbout(text) / BYTES_PER_TOKEN;
}

function bytesAbout(text: string): number {
  if (text.length <= COUNTED_LENGTH_MAX) return utf8Length(text);
  let bytes = 0;
  let units = 0;
  for (let index = 0; index < text.length; index += SAMPLE_OF) {
    const unit = text.charCodeAt(index);
    // A character beyond U+FFFF has two units and four bytes.
    if (unit < 0x80) bytes += 1;
    else bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
    units += 1;
  }
  return (bytes / units) * text.length;
}

/** Characters and ids in all of `texts`: a rough measure of the work on them. */
export function sizeOf(texts: readonly CallText[]): number {
  return texts.reduce((sum, text) => sum + (text.kind === "ids" ? text.ids : text.text).length, 0);
}
