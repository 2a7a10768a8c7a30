// What an answer's headers say of the caller's limits and credit: what the object last reported, corrected for the time
// since then and for what this isolate has used and not reported. Leases are left out: what they hold is neither used
// nor charged yet. Pure.

import { must } from "../../shared/assert.ts";
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
  const { funds } = standing;
  return {
    rateLimit: {
      requests: tightest("requests", standing, unreported, nowMs),
      tokens: tightest("tokens", standing, unreported, nowMs),
    },
    creditNanoUsd: nanoUsd(Math.max(0, funds.balanceNanoUsd - unreported.nanoUsd)),
  };
}

/** Of the limits of one window the one that leaves least. */
function tightest(
  window: RateView["window"],
  { rates, atMs }: Standing,
  unreported: Amount,
  nowMs: number,
): RateLimitView {
  const elapsedMs = Math.max(0, nowMs - atMs);
  let least: RateLimitView | undefined;
  for (const rate of rates) {
    if (rate.window !== window) continue;
    const view = viewOf(rate, unreported[window], elapsedMs);
    if (least === undefined || view.remaining < least.remaining) least = view;
  }
  return must(least, "each window has a limit");
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
