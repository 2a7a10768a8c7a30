// Calendar periods in UTC: when a cap or a monthly limit resets.

import { unreachable } from "../../shared/assert.ts";
import type { CapPeriod } from "./types.ts";

const MS_PER_DAY = 86_400_000;
/** 1970-01-05 was a Monday. */
const FIRST_MONDAY_MS = 4 * MS_PER_DAY;

/** Start of the period that holds `nowMs`; 0 for a cap that never resets. Weeks begin on Monday. */
export function periodStartMs(period: CapPeriod | undefined, nowMs: number): number {
  switch (period) {
    case undefined:
      return 0;
    case "day":
      return Math.floor(nowMs / MS_PER_DAY) * MS_PER_DAY;
    case "week":
      return FIRST_MONDAY_MS + Math.floor((nowMs - FIRST_MONDAY_MS) / (7 * MS_PER_DAY)) * 7 * MS_PER_DAY;
    case "month":
      return monthStartMs(nowMs);
    default:
      return unreachable(period);
  }
}

export function monthStartMs(nowMs: number): number {
  const date = new Date(nowMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
}
