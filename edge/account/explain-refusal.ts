// Why a need is not covered, from what the object last said: the facts of a 402 or 429. The order is what the caller
// can do least about first: credit that is not there at all, then the rate, then credit that is only held.

import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import type { Standing } from "./session-types.ts";
import type { Amount, Refusal } from "./types.ts";

const MS_PER_MINUTE = 60_000;
const CREDIT_HELD_RETRY_MS = 1000;

/** `have`: what the isolate itself holds free beside it. */
export function explainRefusal(need: Amount, have: Amount, standing: Standing): Refusal {
  const { funds, rates } = standing;
  if (need.nanoUsd > funds.potentialNanoUsd) {
    return {
      kind: "insufficient_credit",
      which: funds.boundBy,
      neededNanoUsd: need.nanoUsd,
      spendableNanoUsd: funds.potentialNanoUsd,
    };
  }
  let slowest: Extract<Refusal, { kind: "rate_limited" }> | undefined;
  for (const { window, which, limit, remaining } of rates) {
    const missing = need[window] - have[window] - remaining;
    if (missing <= 0) continue;
    const retryAfterMs = Math.ceil((Math.min(missing, limit) * MS_PER_MINUTE) / Math.max(1, limit));
    if (slowest !== undefined && slowest.retryAfterMs >= retryAfterMs) continue;
    slowest = { kind: "rate_limited", window, which, limit, needed: need[window], retryAfterMs };
  }
  return (
    slowest ?? {
      kind: "credit_held",
      neededNanoUsd: need.nanoUsd,
      spendableNanoUsd: spendable(have, standing),
      retryAfterMs: CREDIT_HELD_RETRY_MS,
    }
  );
}

function spendable(have: Amount, { funds }: Standing): NanoUsd {
  return nanoUsd(funds.grantableNanoUsd + have.nanoUsd);
}
