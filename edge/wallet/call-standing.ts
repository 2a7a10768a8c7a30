// What an answer's headers say of the caller's limits and credit: what the object last reported, corrected for the time
// since then and for what this isolate has used and not reported. Leases are left out: what they hold is neither used
// nor charged yet. Pure.

import { ZERO_NANO_USD, nanoUsd } from "../../shared/money.ts";
import type { Standing } from "./lease-types.ts";
import type { Amount, RateView } from "../ledger/types.ts";
import type { CallStanding, RateLimitView } from "./wallet-types.ts";

const MS_PER_MINUTE = 60_000;
const NO_LIMIT: RateLimitView = { limit: 0, remaining: 0, resetMs: 0 };

/** `unreported`: what was used here and is not in the object's last report. */
export function callStanding(standing: Standing | undefined, unreported: Amount, nowMs: number): CallStanding {
  if (standing === undefined) {
    return { rateLimit: { requests: NO_LIMIT, tokens: NO_LIMIT }, creditNanoUsd: ZERO_NANO_USD };
  }
  const { rates, funds, atMs } = standing;
  const elapsedMs = Math.max(0, nowMs - atMs);
  const view = (window: RateView["window"]): RateLimitView =>
    rates
      .filter((rate) => rate.window === window)
      .map((rate) => viewOf(rate, unreported[window], elapsedMs))
      .reduce((tightest, one) => (one.remaining < tightest.remaining ? one : tightest));
  return {
    rateLimit: { requests: view("requests"), tokens: view("tokens") },
    creditNanoUsd: nanoUsd(Math.max(0, funds.balanceNanoUsd - unreported.nanoUsd)),
  };
}

function viewOf({ limit, available, leased }: RateView, unreported: number, elapsedMs: number): RateLimitView {
  const usedThen = Math.max(0, limit - available - leased);
  const used = Math.max(0, usedThen - (elapsedMs * limit) / MS_PER_MINUTE) + unreported;
  return {
    limit,
    remaining: Math.max(0, Math.floor(limit - used)),
    resetMs: Math.ceil((used * MS_PER_MINUTE) / Math.max(1, limit)),
  };
}
