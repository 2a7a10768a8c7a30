// One per-minute limit (requests or tokens) as a leaky bucket in whole numbers: GCRA with the theoretical arrival time
// written as a debt. The debt is counted in units × 60,000, so that it drains by exactly `limit` per millisecond and no
// rounding ever lets a unit through. Capacity: 60 s of rate. Pure: the clock is passed in.
//
// Unused units of a lease must not refill (a lease spent 29 s later next to a full bucket would be a double burst), so
// the debt never drains below what is leased.

import { assert } from "../../shared/assert.ts";

const MS_PER_MINUTE = 60_000;

/** Durable form: [debt, at]. Debt in units × 60,000; at in unix ms. */
export type BucketState = readonly [debt: number, atMs: number];

export class RateBucket {
  private debt: number;
  private atMs: number;

  constructor(state: BucketState = [0, 0]) {
    [this.debt, this.atMs] = state;
  }

  get state(): BucketState {
    return [this.debt, this.atMs];
  }

  /**
   * Drains the debt up to `nowMs` at `limitPerMinute`, down to `leased` units. A clock that goes back changes nothing.
   */
  drain(nowMs: number, limitPerMinute: number, leased: number): void {
    const elapsedMs = Math.max(0, nowMs - this.atMs);
    const drained = Math.min(this.debt, elapsedMs * limitPerMinute);
    this.debt = Math.max(this.debt - drained, leased * MS_PER_MINUTE);
    this.atMs = Math.max(this.atMs, nowMs);
  }

  /** Whole units that may be taken now (call `drain` first). */
  available(limitPerMinute: number): number {
    return Math.max(0, Math.floor((limitPerMinute * MS_PER_MINUTE - this.debt) / MS_PER_MINUTE));
  }

  take(units: number): void {
    assert(Number.isSafeInteger(units) && units >= 0, "a bucket gives whole units");
    this.debt += units * MS_PER_MINUTE;
  }

  /** Returns units that were taken and not used. */
  giveBack(units: number): void {
    this.debt = Math.max(0, this.debt - units * MS_PER_MINUTE);
  }
}
