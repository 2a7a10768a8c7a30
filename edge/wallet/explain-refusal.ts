// Why a call is not covered: the facts of a 400, 402 or 429, from the object's answer to this very call. Of several
// reasons it names the most lasting one: a limit that no waiting lifts, then missing credit, then the rate, then credit
// that other calls hold. After `retryAfterMs`, or `heldMs`, the same call passes, unless others call in the meantime.

import { assert, must } from "../../shared/assert.ts";
import { nanoUsd } from "../../shared/money.ts";
import { refusalByFunds } from "../ledger/funds.ts";
import type { Standing } from "./lease-types.ts";
import type { Amount, FundsBound, OtherLease, RateView, Refusal } from "../ledger/types.ts";

const MS_PER_MINUTE = 60_000;
/** Where this isolate's own calls hold the credit: they end within seconds, and what they leave can be used at once. */
const HELD_MS_MIN = 1000;

/** `free`: what the isolate's lease can still spend. `own`: all that it holds, what running calls reserved included. */
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
 * Ms until `missing` more units are free. Used units drain at `limit` a minute. Units that other leases hold may be
 * used until the lease ends, so they begin to drain only then.
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
    heldMs: Math.max(HELD_MS_MIN, ...waits),
  };
}

/** Ms until enough other leases have ended to free `missing` nano-USD; all of them, where that is still too little. */
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
