// One text → the ids that the model reads, or the reason why not. Exact: the same ids as the reference tokenizer gives
// for prefix + text, then the ending token; truncation keeps the ending token, and "start" the prefix's tokens too.
// Synchronous and without I/O: worker.ts runs it, the tests call it.

import { unreachable } from "../../shared/assert.ts";
import type { Truncation } from "../../shared/wire.ts";
import { utf8Length } from "../../shared/token-bound.ts";
import type { TokenizerLibrary } from "./library.ts";
import { MARKS_RUN_MAX, PIECE_CHARS_MAX, headOf, segmentsOf } from "./segments.ts";

export interface TextLimits {
  /** Ids a text may have, those of the template (ending token) included. */
  readonly maxTokens: number;
  /** Rows of the model's table; the tokenizer may have fewer tokens, or more. */
  readonly vocabSize: number;
}

export type TokenizedText =
  | { readonly kind: "ids"; readonly ids: Int32Array<ArrayBuffer>; readonly truncated: boolean }
  /** `counted` false: counting stopped there. */
  | { readonly kind: "too_long"; readonly tokens: number; readonly counted: boolean }
  | { readonly kind: "too_complex"; readonly reason: string }
  /** The tokenizer has a token for a part of the text and the model has no row for it. */
  | { readonly kind: "beyond_table"; readonly id: number };

/** NFC shrinks UTF-8 to a third at most (U+1FEF → U+0060; three jamo → one syllable): checked over all of Unicode. */
const NFC_SHRINK_MAX = 3;
/** Beyond so many times the limit an exact count is not worth its time. */
const COUNTED_LIMITS = 4;

const COMPLEXITY = {
  marks: `more than ${MARKS_RUN_MAX} combining marks in a row`,
  unbroken: `${PIECE_CHARS_MAX} characters without a place to break them`,
} as const;

/** An instruction, of which as much is tokenised already as no text behind it can change. */
interface Prefix {
  readonly text: string;
  /** Of ids beyond it there are none: nothing behind such a prefix fits. */
  readonly room: number;
  readonly ids: readonly number[];
  /** What is tokenised with each text: all behind `ids`. */
  readonly rest: string;
  /** UTF-8 bytes of all of it in NFC. */
  readonly bytes: number;
}

const NO_PREFIX: Prefix = { text: "", room: 0, ids: [], rest: "", bytes: 0 };
/** Of each library the prefix that was asked for last: the texts of a call have one, and there may be 2,048 of them. */
const prefixes = new WeakMap<TokenizerLibrary, Prefix>();

function prefixOf(library: TokenizerLibrary, room: number, text: string): Prefix {
  if (text === "") return NO_PREFIX;
  const known = prefixes.get(library);
  if (known?.text === text && known.room === room) return known;
  // What is too complex is refused with the first text behind it.
  const isSound = segmentsOf(text, library.cutRules).kind === "pieces";
  const head = isSound ? headOf(text, library.cutRules) : "";
  const segments = segmentsOf(head, library.cutRules);
  const pieces = head === "" || segments.kind !== "pieces" ? [] : segments.pieces;
  const prefix = {
    text,
    room,
    ids: firstTokens(library, [], pieces, room).ids,
    rest: text.slice(head.length),
    bytes: isSound ? utf8Length(text.normalize("NFC")) : 0,
  };
  prefixes.set(library, prefix);
  return prefix;
}

/** Tokenises `prefix + text`. A lone surrogate counts as U+FFFD. */
export function tokenizeText(
  library: TokenizerLibrary,
  limits: TextLimits,
  prefix: string,
  text: string,
  truncate: Truncation,
): TokenizedText {
  const room = limits.maxTokens - library.leading.length - library.trailing.length;
  const before = prefixOf(library, room, prefix);
  if (before.ids.length > room && truncate === "end") return kept(library, limits, before.ids.slice(0, room), true);
  const open = (before.rest + text).toWellFormed();
  if (truncate === "none" || before.ids.length > room) {
    const least = before.ids.length + leastTokens(library, open);
    if (least > room) return { kind: "too_long", tokens: limits.maxTokens - room + least, counted: false };
  }
  const segments = segmentsOf(open, library.cutRules);
  if (segments.kind !== "pieces") return { kind: "too_complex", reason: COMPLEXITY[segments.kind] };
  const { pieces } = segments;
  if (truncate === "start" && pieces.length > 1) return lastTokens(library, limits, room, before, pieces);
  const { ids, complete } = firstTokens(
    library,
    before.ids,
    pieces,
    truncate === "none" ? room * COUNTED_LIMITS : room,
  );
  if (ids.length <= room && complete) return kept(library, limits, ids, false);
  switch (truncate) {
    case "none":
      return { kind: "too_long", tokens: limits.maxTokens - room + ids.length, counted: complete };
    case "end":
      return kept(library, limits, ids.slice(0, room), true);
    case "start":
      return keepPrefixAndEnd(library, limits, room, before, ids, ids);
    default:
      return unreachable(truncate);
  }
}

/** A lower bound of `text`'s tokens that needs no tokenizer: its bytes, as small as NFC can make them, in longest tokens. */
function leastTokens(library: TokenizerLibrary, text: string): number {
  const bytes = utf8Length(text);
  const normalised = bytes === text.length ? bytes : Math.ceil(bytes / NFC_SHRINK_MAX);
  return Math.ceil(normalised / library.longestTokenBytes);
}

/** `before` and the tokens of the first pieces, until more than `enough` are there. */
function firstTokens(
  library: TokenizerLibrary,
  before: readonly number[],
  pieces: readonly string[],
  enough: number,
): { ids: number[]; complete: boolean } {
  const ids = [...before];
  for (const [index, piece] of pieces.entries()) {
    for (const id of library.encode(piece)) ids.push(id);
    if (ids.length > enough) return { ids, complete: index === pieces.length - 1 };
  }
  return { ids, complete: true };
}

/** Start truncation of a long text: the first piece for the prefix, then pieces from the end until they fill the room. */
function lastTokens(
  library: TokenizerLibrary,
  limits: TextLimits,
  room: number,
  prefix: Prefix,
  pieces: readonly string[],
): TokenizedText {
  let tail: number[] = [];
  let first = pieces.length;
  while (first > 0 && tail.length <= room) {
    first -= 1;
    tail = library.encode(pieces[first] ?? "").concat(tail);
  }
  if (first === 0 && prefix.ids.length + tail.length <= room) {
    return kept(library, limits, [...prefix.ids, ...tail], false);
  }
  // The prefix may reach beyond the first piece only when it is itself over the limit of a piece: encode what covers it.
  const enough = prefix.ids.length + utf8Length(prefix.rest);
  const head = prefix.text === "" ? [] : firstTokens(library, prefix.ids, pieces, enough).ids;
  return keepPrefixAndEnd(library, limits, room, prefix, head, tail);
}

function keepPrefixAndEnd(
  library: TokenizerLibrary,
  limits: TextLimits,
  room: number,
  prefix: Prefix,
  head: readonly number[],
  tail: readonly number[],
): TokenizedText {
  const prefixTokens = tokensCovering(library, head, prefix.bytes);
  if (prefixTokens >= room) {
    return { kind: "too_long", tokens: limits.maxTokens - room + prefixTokens + 1, counted: false };
  }
  const ids = head.slice(0, prefixTokens);
  for (const id of tail.slice(tail.length - (room - prefixTokens))) ids.push(id);
  return kept(library, limits, ids, true);
}

/** How many of the first tokens it takes to cover `bytes`; the one that reaches over their end counts. */
function tokensCovering(library: TokenizerLibrary, ids: readonly number[], bytes: number): number {
  let covered = 0;
  let tokens = 0;
  while (covered < bytes && tokens < ids.length) {
    covered += library.tokenBytes(ids[tokens] ?? -1) ?? 0;
    tokens += 1;
  }
  return tokens;
}

function kept(
  library: TokenizerLibrary,
  limits: TextLimits,
  ids: readonly number[],
  truncated: boolean,
): TokenizedText {
  const beyond = ids.find((id) => id >= limits.vocabSize);
  if (beyond !== undefined) return { kind: "beyond_table", id: beyond };
  return { kind: "ids", ids: Int32Array.from([...library.leading, ...ids, ...library.trailing]), truncated };
}

export type TokenizedIds =
  | {
      readonly kind: "ids";
      readonly ids: Int32Array<ArrayBuffer>;
      readonly truncated: boolean;
      /** Whether decode → encode gives the same ids: ids of another tokenizer look valid and mean nothing. */
      readonly survives: boolean;
    }
  | { readonly kind: "too_long"; readonly tokens: number; readonly counted: boolean }
  | { readonly kind: "beyond_vocabulary"; readonly id: number };

/** Checks the caller's own ids and adds the ending token where it is absent. */
export function tokenizeIds(
  library: TokenizerLibrary,
  limits: TextLimits,
  given: Uint32Array,
  truncate: Truncation,
): TokenizedIds {
  const beyond = given.find((id) => id >= limits.vocabSize);
  if (beyond !== undefined) return { kind: "beyond_vocabulary", id: beyond };
  const bare = withoutTemplate(library, given);
  const room = limits.maxTokens - library.leading.length - library.trailing.length;
  if (bare.length > room && truncate === "none") {
    return { kind: "too_long", tokens: limits.maxTokens - room + bare.length, counted: true };
  }
  const truncated = bare.length > room;
  const ids = !truncated ? bare : truncate === "end" ? bare.slice(0, room) : bare.slice(bare.length - room);
  return {
    kind: "ids",
    ids: Int32Array.from([...library.leading, ...ids, ...library.trailing]),
    truncated,
    survives: survives(library, ids, truncated ? truncate : "none"),
  };
}

/** The caller's ids without what the template would add again. */
function withoutTemplate(library: TokenizerLibrary, given: Uint32Array): Uint32Array {
  const { leading, trailing } = library;
  const starts = leading.every((id, index) => given[index] === id);
  const from = starts ? leading.length : 0;
  const endAt = given.length - trailing.length;
  const ends = endAt >= from && trailing.every((id, index) => given[endAt + index] === id);
  return given.subarray(from, ends ? endAt : given.length);
}

/** A cut may go through a character or a word: so many ids beside it prove nothing. */
const CUT_IDS = 16;

function survives(library: TokenizerLibrary, ids: Uint32Array, cut: Truncation): boolean {
  const list = [...ids];
  if (list.some((id) => library.tokenBytes(id) === undefined)) return false;
  const again = library.encode(library.decode(list));
  if (cut === "end") return sameStart(again, list, list.length - CUT_IDS);
  if (cut === "start") return sameStart(again.toReversed(), list.toReversed(), list.length - CUT_IDS);
  return again.length === list.length && again.every((id, index) => id === list[index]);
}

function sameStart(a: readonly number[], b: readonly number[], count: number): boolean {
  for (let index = 0; index < count; index += 1) if (a[index] !== b[index]) return false;
  return true;
}
