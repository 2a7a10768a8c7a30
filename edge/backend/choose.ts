// Which of several backends gets a call. Pure. Least reported work first; where a report is missing or old, two
// candidates at random and of those the one with fewer calls of our own (Mitzenmacher's power of two choices): with
// stale figures "the least loaded" would send every isolate's calls to the same one.

import { assert } from "../../shared/assert.ts";

export interface Candidate {
  /** Seconds of work that wait there, as reported and aged; undefined when there is no report young enough. */
  readonly queueSeconds: number | undefined;
  /** This isolate's calls that it has now. */
  readonly inFlight: number;
}

/** Index of the chosen one. `random` answers in [0, 1). Throws AssertionError for an empty list. */
export function choose(candidates: readonly Candidate[], random: () => number): number {
  assert(candidates.length > 0, "a choice needs candidates");
  if (candidates.length === 1) return 0;
  if (candidates.some(({ queueSeconds }) => queueSeconds === undefined)) return ofTwo(candidates, random);
  const loads = candidates.map(({ queueSeconds }) => queueSeconds ?? Number.POSITIVE_INFINITY);
  const least = Math.min(...loads);
  const best = loads.flatMap((load, index) => (load === least ? [index] : []));
  return best[Math.floor(random() * best.length)] ?? 0;
}

function ofTwo(candidates: readonly Candidate[], random: () => number): number {
  const first = Math.floor(random() * candidates.length);
  const step = 1 + Math.floor(random() * (candidates.length - 1));
  const second = (first + step) % candidates.length;
  const calls = (index: number): number => candidates[index]?.inFlight ?? Number.POSITIVE_INFINITY;
  return calls(second) < calls(first) ? second : first;
}
