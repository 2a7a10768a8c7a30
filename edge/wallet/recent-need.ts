// How much the calls of a key have needed lately: sizes the next lease so that it lasts about ten seconds.

import { ZERO, amount, most } from "../ledger/amount.ts";
import type { Amount } from "../ledger/types.ts";

const MEMORY_MS = 10_000;
/** Calls in about that time from which a key counts as busy. */
const BUSY_CALLS = 8;

export class RecentNeed {
  /** What the last call that embeds needed: reads of rights say nothing about the next lease. */
  unit: Amount = ZERO;
  /** Between the last two of them; 0: there was one at most. */
  private gapMs = 0;
  private lastAtMs: number | undefined;
  private nano = 0;
  private requests = 0;
  private tokens = 0;
  private atMs = 0;

  note(need: Amount, nowMs: number): void {
    this.fade(nowMs);
    this.nano += need.nanoUsd;
    this.requests += need.requests;
    this.tokens += need.tokens;
    if (need.tokens === 0) return;
    this.unit = need;
    this.gapMs = nowMs - (this.lastAtMs ?? nowMs);
    this.lastAtMs = nowMs;
  }

  /** What the next ten seconds take if they are like the last ten; at least one more call like the last. */
  forecast(nowMs: number): Amount {
    this.fade(nowMs);
    return most(amount(Math.floor(this.nano), Math.floor(this.requests), Math.floor(this.tokens)), this.unit);
  }

  isBusy(nowMs: number): boolean {
    return this.forecast(nowMs).requests >= BUSY_CALLS;
  }

  /** Calls so far apart that a lease which waits for the next one mostly ends before it comes. */
  isSparse(leaseTtlMs: number): boolean {
    return this.gapMs >= leaseTtlMs;
  }

  /** Exponential: at a steady rate the sum settles at the rate times the memory. */
  private fade(nowMs: number): void {
    const share = Math.exp((this.atMs - nowMs) / MEMORY_MS);
    this.nano *= share;
    this.requests *= share;
    this.tokens *= share;
    this.atMs = nowMs;
  }
}
