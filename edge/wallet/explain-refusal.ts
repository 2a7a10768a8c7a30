// Why a need is not covered, from what the object said of this very need: the facts of a 400, 402 or 429. The order is
// what the caller can do least about first: a limit that no waiting lifts, credit that is not there at all, then the
// rate, then credit that is only held. After `retryAfterMs` the same call passes if nobody else calls meanwhile.

import { assert, must } from "../../shared/assert.ts";
import { nanoUsd } from "../../shared/money.ts";
import { refusalByFunds } from "../ledger/funds.ts";
import type { Standing } from "./lease-types.ts";
import type { Amount, FundsBound, OtherLease, RateView, Refusal } from "../ledger/types.ts";

const MS_PER_MINUTE = 60_000;
/** Calls of this isolate that hold credit end within seconds, and their lease is at hand at once. */
const RETRY_MS_MIN = 1000;

/** `free`: what the isolate itself can spend beside it; `own`: what it holds in all, reserved by calls that run too. */
export function explainRefusal(need: Amount, free: Amount, own: Amount, standing: Standing): Refusal {
  const { funds, rates } = standing;
  const over = rates.find(({ window, limit }) => need[window] > limit);
  if (over !== undefined) {
    const { window, which, limit } = over;
    return { kind: "over_limit", window, which, limit, needed: need[window] };
  }
  return refusalByFunds(need.nanoUsd, funds) ?? slowestRate(need, free, standing) ?? creditHeld(need, own, standing);
}

function slowestRate(need: Amount, free: Amount, { rates, others }: Standing): Refusal | undefined {
  const waits = rates.flatMap((rate) => {
    const missing = need[rate.window] - free[rate.window] - rate.available;
    return missing <= 0 ? [] : [{ rate, waitMs: rateWaitMs(missing, rate, others) }];
  });
  if (waits.length === 0) return undefined;
  const { rate, waitMs } = waits.reduce((slowest, one) => (one.waitMs > slowest.waitMs ? one : slowest));
  const { window, which, limit } = rate;
  return { kind: "rate_limited", window, which, limit, needed: need[window], retryAfterMs: waitMs };
}

/**
 * Until `missing` more units can be taken: what was used drains at `limit` a minute, what other leases hold begins to
 * drain when they end (they may have been used until then).
 */
function rateWaitMs(
  missing: number,
  { window, which, limit, available }: RateView,
  others: readonly OtherLease[],
): number {
  const perMs = limit / MS_PER_MINUTE;
  const out = others.filter(({ sameKey }) => which === "account" || sameKey);
  let floor = out.reduce((sum, { held }) => sum + held[window], 0);
  let debt = limit - available;
  const goal = Math.max(0, debt - missing);
  let atMs = 0;
  for (const { endsInMs, held } of out) {
    if (floor <= goal) break;
    debt = Math.max(floor, debt - (endsInMs - atMs) * perMs);
    atMs = Math.max(atMs, endsInMs);
    floor -= held[window];
  }
  return Math.ceil(atMs + Math.max(0, debt - goal) / perMs);
}

function creditHeld(need: Amount, own: Amount, { funds, others }: Standing): Refusal {
  assert(need.nanoUsd > 0, "a call that needs no credit is not refused for held credit");
  const waits = funds.bounds.map((bound) =>
    creditWaitMs(need.nanoUsd - own.nanoUsd - bound.freeNanoUsd, bound, others),
  );
  return {
    kind: "credit_held",
    neededNanoUsd: need.nanoUsd,
    spendableNanoUsd: nanoUsd(funds.grantableNanoUsd + own.nanoUsd),
    retryAfterMs: Math.max(RETRY_MS_MIN, ...waits),
  };
}

/** Until other leases that end leave `missing` more. */
function creditWaitMs(missing: number, { by }: FundsBound, others: readonly OtherLease[]): number {
  let left = missing;
  if (left <= 0) return 0;
  const out = others.filter(({ sameKey }) => by !== "key_cap" || sameKey);
  for (const { endsInMs, held } of out) {
    left -= held.nanoUsd;
    if (left <= 0) return endsInMs;
  }
  return out.length === 0 ? 0 : must(out.at(-1), "the last lease").endsInMs;
}
