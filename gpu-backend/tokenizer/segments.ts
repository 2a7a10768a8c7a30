// Where a long text may be cut so that its pieces, tokenised one by one, give exactly the ids of the whole: after a
// letter or digit that punctuation or a space follows (char-class.ts says of which), and on either side of an added token (`<|im_end|>`), never inside
// one. The pre-tokenizers that library.ts knows end a run of letters or digits there, nothing they look back on lies
// before it, and NFC joins nothing across it. BPE over whole texts (byte fallback) merges over anything, so there a cut is between
// two characters that stand side by side in no token. Apostrophes are no such place (contractions). Added tokens are found as
// the tokenizer finds them, leftmost and longest first; the text between two of them is tokenised by itself anyway.
//
// Cutting is what bounds the work: a text far over the limit is refused, or truncated, after a few pieces. And what
// cannot be cut for PIECE_CHARS_MAX, or stacks marks beyond MARKS_RUN_MAX, is refused before a tokenizer sees it.

import { DOUBTFUL_WORD, MARK, PUNCTUATION, SPACE, WORD, classOf } from "./char-class.ts";

/** Pieces are at least this long (but for the last): short enough to stop early, long enough to cost nothing. */
const SEGMENT_CHARS = 32_768;
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

/** How texts of a tokenizer may be cut. */
export interface CutRules {
  /** "spaces": only where a space follows a letter or digit. */
  readonly places: "everywhere" | "spaces" | BetweenTokens;
  /** The added tokens that are matched before a text is normalised, and what finds them; undefined: there are none. */
  readonly addedTokens: { readonly contents: readonly string[]; readonly pattern: RegExp } | undefined;
}

/** Between two characters that no token has side by side: no merge reaches over such a place. */
export interface BetweenTokens {
  /** Pairs of UTF-16 units (`pairOf`) that some token has. */
  readonly joined: ReadonlySet<number>;
  /** The tokenizer puts a space before every text: cuts are before spaces, and a piece after one goes without its own. */
  readonly prepends: boolean;
}

/** A space is looked up as the mark that it becomes. */
export function pairOf(before: number, after: number): number {
  return (before === SPACE_UNIT ? MARK_UNIT : before) * 0x1_00_00 + (after === SPACE_UNIT ? MARK_UNIT : after);
}

const SPACE_UNIT = 0x20;
const MARK_UNIT = 0x25_81;

/** What finds `contents` leftmost and longest first, as the tokenizer does; undefined for none. */
export function addedTokensOf(contents: readonly string[]): CutRules["addedTokens"] {
  const words = contents.filter((content) => content !== "").toSorted((a, b) => b.length - a.length);
  return words.length === 0 ? undefined : { contents: words, pattern: new RegExp(words.map(escaped).join("|"), "g") };
}

/** The part of `prefix` that has the same ids whatever text follows: all up to its last cut; without any, nothing. */
export function headOf(prefix: string, rules: CutRules | undefined): string {
  if (rules === undefined) return "";
  const segments = segmentsOf(prefix, rules, 1);
  if (segments.kind !== "pieces") return "";
  const rest = segments.pieces.at(-1) ?? "";
  // An added token that begins before the cut, or takes the place of what the tokenizer puts a space before, and that a text
  // could complete.
  const least = typeof rules.places === "object" && rules.places.prepends ? rest.length - 1 : rest.length + 1;
  const isOpen = (content: string): boolean => {
    for (let length = least; length < content.length; length += 1) {
      if (prefix.endsWith(content.slice(0, length))) return true;
    }
    return false;
  };
  return rules.addedTokens?.contents.some(isOpen) === true ? "" : prefix.slice(0, prefix.length - rest.length);
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}

/** Whether a text may be cut within `text`, between two of its characters. */
export function breaksWithin(text: string): boolean {
  let before = 0;
  for (let at = 0; at < text.length; at += 1) {
    const kind = classOf(text.charCodeAt(at));
    if (endsRun(before, kind)) return true;
    before = kind;
  }
  return false;
}

/** `text` in exact pieces, none empty; without `rules` it stays whole. One linear pass. */
export function segmentsOf(text: string, rules: CutRules | undefined, segmentChars: number = SEGMENT_CHARS): Segments {
  if (text.length <= Math.min(segmentChars, MARKS_RUN_MAX)) return { kind: "pieces", pieces: [text] };
  const tokens = new Occurrences(text, rules?.addedTokens?.pattern);
  const pieces: string[] = [];
  let start = 0;
  let before = 0;
  let marks = 0;
  for (let at = 0; at < text.length; at += 1) {
    const kind = classOf(text.charCodeAt(at));
    marks = kind === MARK ? marks + 1 : 0;
    if (marks > MARKS_RUN_MAX) return { kind: "marks" };
    const long = rules !== undefined && at - start >= segmentChars;
    if (long && mayCut(rules, { text, at, before, kind, tokens })) {
      pieces.push(text.slice(start, at));
      start = at;
    }
    if (at - start >= PIECE_CHARS_MAX) return { kind: "unbroken" };
    before = kind;
  }
  pieces.push(text.slice(start));
  return { kind: "pieces", pieces };
}

interface Place {
  readonly text: string;
  /** The cut would be before this character. */
  readonly at: number;
  /** Classes of the characters before and after. */
  readonly before: number;
  readonly kind: number;
  readonly tokens: Occurrences;
}

function mayCut({ places, addedTokens }: CutRules, { text, at, before, kind, tokens }: Place): boolean {
  if (places === "everywhere") return tokens.touches(at) || (endsRun(before, kind) && !tokens.covers(at));
  if (places === "spaces") return kind === SPACE && endsRun(before, kind) && !tokens.covers(at);
  const [left, right] = [text.charCodeAt(at - 1), text.charCodeAt(at)];
  if (isSurrogate(left) || isSurrogate(right) || places.joined.has(pairOf(left, right))) return false;
  if (!places.prepends) return !tokens.covers(at);
  // The tokenizer puts a space after an added token too, and none before one or before nothing.
  const isNext = (content: string): boolean => text.startsWith(content, at + 1);
  if (right !== SPACE_UNIT || at + 1 === text.length || addedTokens?.contents.some(isNext) === true) return false;
  return !tokens.touches(at) && !tokens.covers(at);
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd8_00 && unit <= 0xdf_ff;
}

function endsRun(before: number, kind: number): boolean {
  return before === WORD ? kind === SPACE || kind === PUNCTUATION : before === DOUBTFUL_WORD && kind === SPACE;
}

/** Where the added tokens of a text lie; asked for rising positions, it reads the text once. */
class Occurrences {
  readonly #text: string;
  readonly #pattern: RegExp | undefined;
  #start = 0;
  #end = 0;

  constructor(text: string, pattern: RegExp | undefined) {
    this.#text = text;
    this.#pattern = pattern === undefined ? undefined : new RegExp(pattern);
  }

  /** Whether a token begins or ends at `at`. */
  touches(at: number): boolean {
    const endsHere = this.#seek(at);
    return endsHere || this.#start === at;
  }

  /** Whether `at` lies inside a token. */
  covers(at: number): boolean {
    this.#seek(at);
    return this.#start < at && at < this.#end;
  }

  /** Goes on to the first token that ends after `at`; tells whether one before it ends there. */
  #seek(at: number): boolean {
    let endsHere = this.#end === at && at > 0;
    while (this.#end <= at) {
      if (this.#pattern !== undefined) this.#pattern.lastIndex = this.#end;
      const found = this.#pattern?.exec(this.#text) ?? null;
      this.#start = found?.index ?? Number.POSITIVE_INFINITY;
      this.#end = found === null ? Number.POSITIVE_INFINITY : found.index + found[0].length;
      endsHere ||= this.#end === at;
    }
    return endsHere;
  }
}
