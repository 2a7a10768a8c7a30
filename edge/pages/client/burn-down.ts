// How long the credit lasts: the balances of the statement, continued by a straight line at the pace of the last days.
// Pure.

import type { Transaction, UsageBucket } from "./types.ts";

const DAY_S = 86_400;
/** No date is given for more days than this. */
export const HORIZON_DAYS = 365;

export interface BalancePoint {
  /** Unix seconds. */
  readonly at: number;
  readonly nanoUsd: number;
}

/** Balances over time, oldest first: after each of `newestFirst`, then `now`. */
export function balanceHistory(newestFirst: readonly Transaction[], now: BalancePoint): readonly BalancePoint[] {
  // An hour's charge has its hour's date but may be posted after a later line, so the order of posting is used.
  let at = 0;
  const past = newestFirst.toReversed().map((line) => {
    at = Math.min(now.at, Math.max(at, line.at));
    return { at, nanoUsd: line.balance_after_nano_usd };
  });
  return [...past, now];
}

export type Projection =
  | { readonly kind: "no_spend" }
  | { readonly kind: "empty" }
  | { readonly kind: "beyond"; readonly perDayNanoUsd: number }
  | { readonly kind: "ends"; readonly perDayNanoUsd: number; readonly at: number };

/**
 * When the balance ends at the mean pace of `days`: daily buckets, of which the last is today and counts for the part
 * of it that has passed.
 */
export function project(now: BalancePoint, days: readonly UsageBucket[]): Projection {
  if (now.nanoUsd <= 0) return { kind: "empty" };
  const first = days[0];
  if (first === undefined) return { kind: "no_spend" };
  const spent = days.flatMap((day) => day.results).reduce((sum, result) => sum + result.cost_nano_usd, 0);
  const perDay = (spent * DAY_S) / Math.max(now.at - first.start_time, DAY_S);
  if (perDay <= 0) return { kind: "no_spend" };
  const daysLeft = now.nanoUsd / perDay;
  if (daysLeft > HORIZON_DAYS) return { kind: "beyond", perDayNanoUsd: perDay };
  return { kind: "ends", perDayNanoUsd: perDay, at: Math.round(now.at + daysLeft * DAY_S) };
}
