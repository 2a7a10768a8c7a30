// Where a long text may be cut so that its pieces, tokenised one by one, give exactly the ids of the whole: after a
// letter or digit that punctuation or a space follows. The pre-tokenizers of this family end a run of letters or digits
// there, nothing they look back on lies before it, and NFC joins nothing across it. Apostrophes are no such place
// (contractions). library.ts checks the assumption on samples at load; a property test on random text.
//
// Cutting is what bounds the work: a text far over the limit is refused, or truncated, after a few pieces. And what
// cannot be cut for PIECE_CHARS_MAX, or stacks marks beyond MARKS_RUN_MAX, is refused before a tokenizer sees it.

import { DIGIT, LETTER, MARK, PUNCTUATION, SPACE, classOf } from "./char-class.ts";

/** Pieces are at least this long (but for the last): short enough to stop early, long enough to cost nothing. */
export const SEGMENT_CHARS = 32_768;
/** Merging costs up to 4 µs a character (measured on words of random Han): half a second at worst. */
export const PIECE_CHARS_MAX = 131_072;
/**
 * NFC sorts a run of combining marks, in quadratic time: 64 Ki marks of two classes took 1.2 s, 1,024 take 0.3 ms.
 * Stacked diacritics of real scripts stay below ten; Unicode's stream-safe format allows 30.
 */
export const MARKS_RUN_MAX = 1_024;

export type Segments =
  | { readonly kind: "pieces"; readonly pieces: readonly string[] }
  | { readonly kind: "unbroken" }
  | { readonly kind: "marks" };

/** `text` in exact pieces, none empty; `segmentable` false keeps it whole. One linear pass. */
export function segmentsOf(text: string, segmentable: boolean, segmentChars: number = SEGMENT_CHARS): Segments {
  if (text.length <= Math.min(segmentChars, MARKS_RUN_MAX)) return { kind: "pieces", pieces: [text] };
  const pieces: string[] = [];
  let start = 0;
  let before = 0;
  let marks = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    const kind = classOf(unit);
    marks = kind === MARK ? marks + 1 : 0;
    if (marks > MARKS_RUN_MAX) return { kind: "marks" };
    const cut = (kind === SPACE || kind === PUNCTUATION) && (before === LETTER || before === DIGIT);
    if (cut && segmentable && at - start >= segmentChars) {
      pieces.push(text.slice(start, at));
      start = at;
    }
    if (at - start >= PIECE_CHARS_MAX) return { kind: "unbroken" };
    before = kind;
  }
  pieces.push(text.slice(start));
  return { kind: "pieces", pieces };
}
