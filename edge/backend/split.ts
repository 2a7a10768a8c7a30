// Splits a large request into parts of about equal tokens, for several backends, and joins their answers in order.
// Pure.

import { tokensAbout } from "../lib/call-text.ts";
import type { Reranker } from "../../shared/wire.ts";
import type { Embedded } from "./client.ts";
import type { BackendRequest } from "./wire-request.ts";
import { isScore, itemsOf } from "./wire-request.ts";

/** A part of fewer estimated tokens is not worth a second backend's time. */
export const PART_TOKENS_MIN = 16_384;
/** Together with one connection for /ready below what a Worker may have open at once (edge/lib/at-once.ts). */
const PARTS_MAX = 4;

export interface Part {
  readonly request: BackendRequest;
  readonly ids: Uint32Array;
  /** Index of the part's first text in the whole request. */
  readonly offset: number;
}

/** Estimated tokens of each text, the prefix included, or of each pair, with the template and instruction of `reranker`. */
export function estimateTokens(request: BackendRequest, reranker?: Reranker): number[] {
  const before = isScore(request)
    ? (request.instruction ?? reranker?.instruction ?? "") + request.query
    : request.prefix;
  const prefix = tokensAbout(before) + (reranker?.templateTokens ?? 0);
  return itemsOf(request).map((text) => (typeof text === "number" ? text + 1 : prefix + tokensAbout(text) + 1));
}

/**
 * At most `partsMax` parts, each of at least one text, none much below PART_TOKENS_MIN; or one, the request itself. `reranker`: as
 * the model's backends announce it.
 */
export function split(
  request: BackendRequest,
  ids: Uint32Array,
  partsMax: number,
  reranker?: Reranker,
): readonly Part[] {
  const whole = { request, ids, offset: 0 };
  const { length } = itemsOf(request);
  if (partsMax < 2 || length < 2) return [whole];
  const tokens = estimateTokens(request, reranker);
  const total = tokens.reduce((sum, count) => sum + count, 0);
  const count = Math.min(partsMax, PARTS_MAX, length, Math.floor(total / PART_TOKENS_MIN));
  if (count < 2) return [whole];
  const ends = partEnds(tokens, count);
  let idOffset = 0;
  return ends.map((end, part) => {
    const offset = ends[part - 1] ?? 0;
    if (isScore(request)) {
      return { request: { ...request, documents: request.documents.slice(offset, end) }, ids, offset };
    }
    const texts = request.texts.slice(offset, end);
    const idEnd = texts.reduce<number>((sum, text) => sum + (typeof text === "number" ? text : 0), idOffset);
    const own = ids.subarray(idOffset, idEnd);
    idOffset = idEnd;
    return { request: { ...request, texts }, ids: own, offset };
  });
}

/** The end of each of `count` runs of `tokens`, of at least one text each and near an equal share of the sum. */
function partEnds(tokens: readonly number[], count: number): number[] {
  const total = tokens.reduce((sum, one) => sum + one, 0);
  const ends: number[] = [];
  let done = 0;
  for (const [index, own] of tokens.entries()) {
    const part = ends.length + 1;
    if (part === count) break;
    const start = ends.at(-1) ?? 0;
    // A text goes to the part that holds more of it; enough texts are left for the parts that follow.
    const full = index > start && done + own / 2 > (total * part) / count;
    const scarce = tokens.length - index === count - part && index > start;
    if (full || scarce) ends.push(index);
    done += own;
  }
  return [...ends, tokens.length];
}

/**
 * Joins the answers of `parts` in order, faults by their place in the whole. All answers have one revision and width,
 * because the caller pinned them.
 */
export function join(parts: readonly Part[], answers: readonly Embedded[]): Embedded {
  const [first] = answers;
  if (first === undefined) throw new RangeError("nothing to join");
  if (answers.length === 1) return first;
  const vectors = new Uint16Array(answers.reduce((sum, answer) => sum + answer.vectors.length, 0));
  let offset = 0;
  for (const answer of answers) {
    vectors.set(answer.vectors, offset);
    offset += answer.vectors.length;
  }
  const faults = answers.flatMap((answer, part) =>
    (answer.faults ?? []).map((fault) => ({ ...fault, index: fault.index + (parts[part]?.offset ?? 0) })),
  );
  const slowest = (name: keyof Embedded["timings"]): number =>
    Math.max(...answers.map((answer) => answer.timings[name]));
  return {
    ...first,
    vectors,
    tokens: answers.flatMap((answer) => answer.tokens),
    truncated: answers.flatMap((answer) => answer.truncated),
    faults,
    timings: { tokenizeMs: slowest("tokenizeMs"), queueMs: slowest("queueMs"), runMs: slowest("runMs") },
  };
}
