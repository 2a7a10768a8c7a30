// The class of a UTF-16 unit, as far as cutting a text needs it; a table filled when a unit is first seen, because a
// Unicode property test per character would cost more than the tokenizer.

export const LETTER = 1;
export const DIGIT = 2;
/** Only the ASCII space: other white space may join what precedes it in some pre-tokenizers. */
export const SPACE = 3;
/** Common punctuation but for apostrophes, which contractions bind to the letters around them. */
export const PUNCTUATION = 4;
export const MARK = 5;
/** Also halves of surrogate pairs. */
const OTHER = 6;

/** Blocks whose punctuation every version of Unicode knows: the library's may be older than Node's, and so not know the rest. */
const OLD_PUNCTUATION = /[\u0021-\u007e\u00a1-\u00bf\u2010-\u205e\u3001-\u301f\uff01-\uff65]/;
const APOSTROPHES = "'\u2019\u2018\u02bc\uff07";
const classes = new Uint8Array(65_536);

/** LETTER … OTHER for one UTF-16 unit. */
export function classOf(unit: number): number {
  const known = classes[unit] ?? 0;
  return known === 0 ? (classes[unit] = classify(String.fromCharCode(unit))) : known;
}

function classify(char: string): number {
  if (char === " ") return SPACE;
  if (/\p{M}/u.test(char)) return MARK;
  if (/\p{L}/u.test(char)) return LETTER;
  if (/\p{Nd}/u.test(char)) return DIGIT;
  if (/\p{P}/u.test(char) && OLD_PUNCTUATION.test(char) && !APOSTROPHES.includes(char)) return PUNCTUATION;
  return OTHER;
}
