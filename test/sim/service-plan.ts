// A plan of service: an account over hours to years, whose object is evicted between calls and whose isolates are
// replaced, with one caller who makes one call at a time. It proves what plans of faults (plan.ts) cannot: that covered
// calls are served.

import { Random } from "./random.ts";

export interface ServicePlan {
  readonly seed: number;
  readonly keys: number;
  readonly isolates: number;
  readonly calls: number;
  /** How often isolates are replaced; undefined: never. A replaced isolate sends nothing more. */
  readonly replaceMs: number | undefined;
  readonly grantNanoUsd: number;
  readonly capNanoUsd: number | undefined;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  /** The largest call, in tokens by its bound. */
  readonly boundMax: number;
  /** The longest pause between calls; most are much shorter. */
  readonly gapMsMax: number;
  /** Calls in a row without a pause. */
  readonly burst: number;
}

const S = 1000;
const DAY = 86_400 * S;
const GAPS_MS = [200, 3 * S, 12 * S, 29 * S, 31 * S, 45 * S, 120 * S, 3600 * S, DAY, 40 * DAY, 200 * DAY] as const;

export function servicePlanFor(seed: number): ServicePlan {
  const random = new Random(seed);
  const small = random.chance(40);
  const boundMax = small ? 1 + random.below(40) : 1 + random.below(2000);
  return {
    seed,
    keys: random.chance(50) ? 1 : 1 + random.below(6),
    isolates: random.chance(40) ? 1 : 1 + random.below(5),
    calls: 20 + random.below(60),
    replaceMs: random.chance(50) ? undefined : 20 * S + random.below(600 * S),
    grantNanoUsd: random.chance(60) ? 5_000_000_000 : random.below(60_000),
    capNanoUsd: random.chance(15) ? random.below(20_000) : undefined,
    requestsPerMinute: small ? 1 + random.below(30) : 600,
    tokensPerMinute: small ? boundMax + random.below(200) : 1_000_000,
    boundMax,
    gapMsMax: GAPS_MS[random.below(GAPS_MS.length)] ?? S,
    burst: random.chance(50) ? 1 : 1 + random.below(12),
  };
}
