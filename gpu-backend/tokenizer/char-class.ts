// The class of a UTF-16 unit, as far as cutting a text needs it; a table filled when a unit is first seen, because a
// Unicode property test per character would cost more than the tokenizer.

/** A letter or digit that is one to every version of Unicode, and is still one after NFC. */
export const WORD = 1;
/**
 * Any other letter or digit. The library may know an older Unicode than Node, in which it is none; and NFC writes some as a
 * letter and marks (U+0958, U+FB1D). Either way it belongs together with the punctuation behind it.
 */
export const DOUBTFUL_WORD = 2;
/** Only the ASCII space: other white space may join what precedes it in some pre-tokenizers. */
export const SPACE = 3;
/** Common punctuation but for apostrophes, which contractions bind to the letters around them. */
export const PUNCTUATION = 4;
export const MARK = 5;
/** Also halves of surrogate pairs. */
const OTHER = 6;

/** Latin, Greek, Cyrillic, Hebrew, Arabic, Thai, Georgian, kana, Han, Hangul, and wide forms: the blocks that are full, or stop before what is newer. */
const OLD_WORD =
  /[0-9A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u052f\u05d0-\u05ea\u0620-\u064a\u0671-\u06d3\u0e01-\u0e30\u10d0-\u10ff\u1e00-\u1fff\u3041-\u3096\u30a1-\u30fe\u3400-\u4db5\u4e00-\u9fef\uac00-\ud7a3\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9d]/;
/** Blocks whose punctuation every version of Unicode knows: the library's may be older than Node's, and so not know the rest. */
const OLD_PUNCTUATION = /[\u0021-\u007e\u00a1-\u00bf\u2010-\u205e\u3001-\u301f\uff01-\uff65]/;
const APOSTROPHES = "'\u2019\u2018\u02bc\uff07";
const classes = new Uint8Array(65_536);

/** WORD … OTHER for one UTF-16 unit. */
export function classOf(unit: number): number {
  const known = classes[unit] ?? 0;
  return known === 0 ? (classes[unit] = classify(String.fromCharCode(unit))) : known;
}

function classify(char: string): number {
  if (char === " ") return SPACE;
  if (/\p{M}/u.test(char)) return MARK;
  if (/[\p{L}\p{Nd}]/u.test(char)) return OLD_WORD.test(char) ? WORD : DOUBTFUL_WORD;
  if (/\p{P}/u.test(char) && OLD_PUNCTUATION.test(char) && !APOSTROPHES.includes(char)) return PUNCTUATION;
  return OTHER;
}
