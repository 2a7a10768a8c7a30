// What a key's calls have needed lately; the next lease is sized by it to last about ten seconds.

import { ZERO, amount, most } from "../ledger/amount.ts";
import type { Amount } from "../ledger/types.ts";

const MEMORY_MS = 10_000;
/** A key with at least this many calls in about that time is busy. */
const BUSY_CALLS = 8;

export class RecentNeed {
  /** The need of the last call that embeds. Reads are left out: they say nothing about the next lease. */
  unit: Amount = ZERO;
  /** Time between the last two such calls; 0: there were fewer than two. */
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

  /** The need of the next ten seconds if they are like the last ten; at least one more call like the last. */
  forecast(nowMs: number): Amount {
    this.fade(nowMs);
    return most(amount(Math.floor(this.nano), Math.floor(this.requests), Math.floor(this.tokens)), this.unit);
  }

  isBusy(nowMs: number): boolean {
    return this.forecast(nowMs).requests >= BUSY_CALLS;
  }

  /** Calls come so far apart that a lease would mostly have ended before the next one. */
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
