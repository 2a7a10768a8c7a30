// One text → the ids that the model reads, or the reason why not. Exact: the same ids as the reference tokenizer gives
// for prefix + text, then the ending token; truncation keeps the ending token, and "start" the prefix's tokens too.
// Without I/O: tokenizer-process.ts runs it, the tests call it.

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
/** An exact count is not worth its time beyond this many times the limit. */
const COUNTED_LIMITS = 4;

const COMPLEXITY = {
  marks: `more than ${MARKS_RUN_MAX} combining marks in a row`,
  unbroken: `${PIECE_CHARS_MAX} characters without a place to break them`,
} as const;

/** An instruction; the part of it that no text after it can change is tokenised already. */
interface Prefix {
  readonly text: string;
  /** The most ids that fit: no text fits after a longer prefix. */
  readonly room: number;
  readonly ids: readonly number[];
  /** The rest of the instruction, which is tokenised with each text. */
  readonly rest: string;
}

const NO_PREFIX: Prefix = { text: "", room: 0, ids: [], rest: "" };
/** Of each library the prefix that was asked for last: the texts of a call have one, and there may be 2,048 of them. */
const prefixes = new WeakMap<TokenizerLibrary, Prefix>();

async function prefixOf(library: TokenizerLibrary, room: number, text: string): Promise<Prefix> {
  if (text === "") return NO_PREFIX;
  const known = prefixes.get(library);
  if (known?.text === text && known.room === room) return known;
  // A prefix that is too complex is refused with the first text after it.
  const head = segmentsOf(text, library.cutRules).kind === "pieces" ? headOf(text, library.cutRules) : "";
  const segments = segmentsOf(head, library.cutRules);
  const pieces = head === "" || segments.kind !== "pieces" ? [] : segments.pieces;
  const prefix = {
    text,
    room,
    ids: (await firstTokens(library, [], pieces, room)).ids,
    rest: text.slice(head.length),
  };
  prefixes.set(library, prefix);
  return prefix;
}

/** Tokenises `prefix + text`. A lone surrogate counts as U+FFFD. */
export async function tokenizeText(
  library: TokenizerLibrary,
  limits: TextLimits,
  prefix: string,
  text: string,
  truncate: Truncation,
): Promise<TokenizedText> {
  const room = limits.maxTokens - library.leading.length - library.trailing.length;
  const before = await prefixOf(library, room, prefix);
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
  const { ids, complete } = await firstTokens(
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
      return keepPrefixAndEnd(library, limits, room, before, pieces, ids);
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
async function firstTokens(
  library: TokenizerLibrary,
  before: readonly number[],
  pieces: readonly string[],
  enough: number,
): Promise<{ ids: number[]; complete: boolean }> {
  const ids = [...before];
  for (const [index, piece] of pieces.entries()) {
    for (const id of await library.encode(piece, index > 0 || before.length > 0)) ids.push(id);
    if (ids.length > enough) return { ids, complete: index === pieces.length - 1 };
  }
  return { ids, complete: true };
}

/** Start truncation of a long text: the prefix, then pieces from the end until they fill the room. */
async function lastTokens(
  library: TokenizerLibrary,
  limits: TextLimits,
  room: number,
  prefix: Prefix,
  pieces: readonly string[],
): Promise<TokenizedText> {
  let tail: number[] = [];
  let first = pieces.length;
  while (first > 0 && tail.length <= room) {
    first -= 1;
    const follows = first > 0 || prefix.ids.length > 0;
    tail = (await library.encode(pieces[first] ?? "", follows)).concat(tail);
  }
  if (first === 0 && prefix.ids.length + tail.length <= room) {
    return kept(library, limits, [...prefix.ids, ...tail], false);
  }
  return keepPrefixAndEnd(library, limits, room, prefix, pieces, tail);
}

/** `pieces`: of the prefix's rest and the text. `tail`: at least the last `room` ids. */
async function keepPrefixAndEnd(
  library: TokenizerLibrary,
  limits: TextLimits,
  room: number,
  prefix: Prefix,
  pieces: readonly string[],
  tail: readonly number[],
): Promise<TokenizedText> {
  const ids = [...prefix.ids, ...(await tokensWithin(library, pieces, prefix))];
  if (ids.length >= room) {
    return { kind: "too_long", tokens: limits.maxTokens - room + ids.length + 1, counted: false };
  }
  for (const id of tail.slice(tail.length - (room - ids.length))) ids.push(id);
  return kept(library, limits, ids, true);
}

/** The ids that begin in the prefix's rest, with which `pieces` begin; the one that reaches over its end counts. */
async function tokensWithin(library: TokenizerLibrary, pieces: readonly string[], prefix: Prefix): Promise<number[]> {
  const within: number[] = [];
  let left = codePoints(prefix.rest);
  for (const [index, piece] of pieces.entries()) {
    if (left <= 0) break;
    const { ids, starts } = await library.encodeWithStarts(piece, index > 0 || prefix.ids.length > 0);
    for (const [token, id] of ids.entries()) if ((starts[token] ?? 0) < left) within.push(id);
    left -= codePoints(piece);
  }
  return within;
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
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
export async function tokenizeIds(
  library: TokenizerLibrary,
  limits: TextLimits,
  given: Uint32Array,
  truncate: Truncation,
): Promise<TokenizedIds> {
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
    survives: await survives(library, ids, truncated ? truncate : "none"),
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

/** A cut may split a character or a word, so this many ids next to it prove nothing. */
const CUT_IDS = 16;

async function survives(library: TokenizerLibrary, ids: Uint32Array, cut: Truncation): Promise<boolean> {
  if (!ids.every((id) => library.has(id))) return false;
  const list = [...ids];
  const again = await library.encode(await library.decode(list));
  const sure = list.filter((id) => !library.lossy.has(id));
  // Beside what is lost the text is encoded otherwise; ids of another tokenizer come back in hardly any place.
  if (sure.length < list.length) return sure.length === 0 || sharedIds(again, list) >= list.length / 2;
  if (cut === "end") return sameStart(again, list, list.length - CUT_IDS);
  if (cut === "start") return sameStart(again.toReversed(), list.toReversed(), list.length - CUT_IDS);
  return again.length === list.length && again.every((id, index) => id === list[index]);
}

/** How many ids of `b` are in `a`, each counted as often as it is there. */
function sharedIds(a: readonly number[], b: readonly number[]): number {
  const left = new Map<number, number>();
  for (const id of a) left.set(id, (left.get(id) ?? 0) + 1);
  let shared = 0;
  for (const id of b) {
    const count = left.get(id) ?? 0;
    if (count > 0) shared += 1;
    left.set(id, count - 1);
  }
  return shared;
}

function sameStart(a: readonly number[], b: readonly number[], count: number): boolean {
  for (let index = 0; index < count; index += 1) if (a[index] !== b[index]) return false;
  return true;
}
