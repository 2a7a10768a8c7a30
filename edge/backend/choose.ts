// Which of several backends gets a call. Pure. The one with the least reported work; where a report is missing or old,
// two candidates at random and of those the one with fewer of our own calls (Mitzenmacher's power of two choices). With
// stale figures, "the least loaded" would send every isolate's calls to the same backend.

import { assert } from "../../shared/assert.ts";

export interface Candidate {
  /** Seconds of queued work, as reported and aged; undefined when no report is recent enough. */
  readonly queueSeconds: number | undefined;
  /** This isolate's calls in progress there. */
  readonly inFlight: number;
}

/** Index of the chosen candidate. `random` returns a number in [0, 1). Throws AssertionError for an empty list. */
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
