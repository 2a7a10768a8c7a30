// A batch while it is being filled: what still fits under the budgets of tokens, padding, texts and seconds. Pure.

import type { Job } from "./job.ts";
import type { SchedulerLimits } from "./types.ts";

/** From this share of a budget on, looking for something that still fits is not worth it. */
const FULL_SHARE = 0.95;

export class BatchBuilder {
  readonly jobs: Job[] = [];
  /** Lines that have had a turn in this batch. */
  readonly visited = new Set<object>();
  /** Lines whose due job this batch has taken or tried: one of each. */
  readonly tookDue = new Set<object>();
  longest = 0;
  tokens = 0;
  seconds = 0;
  readonly #limits: SchedulerLimits;
  #secondsMax: number;

  constructor(limits: SchedulerLimits) {
    this.#limits = limits;
    this.#secondsMax = limits.batchSecondsMax;
  }

  get size(): number {
    return this.jobs.length;
  }

  /** Texts × longest text. */
  get paddedTokens(): number {
    return this.size * this.longest;
  }

  /** Lowers or raises the bound in seconds for what is added from here on. */
  capSeconds(secondsMax: number): void {
    this.#secondsMax = secondsMax;
  }

  get full(): boolean {
    return (
      this.size >= this.#limits.batchTextsMax ||
      this.seconds >= this.#secondsMax * FULL_SHARE ||
      this.tokens >= this.#limits.batchTokensMax * FULL_SHARE ||
      this.paddedTokens >= this.#limits.paddedTokensMax * FULL_SHARE
    );
  }

  /** A single text always fits, whatever it costs. */
  fits(job: Job): boolean {
    if (this.size === 0) return true;
    const longest = Math.max(this.longest, job.ids.length);
    return (
      this.size < this.#limits.batchTextsMax &&
      this.seconds + job.seconds <= this.#secondsMax &&
      this.tokens + job.ids.length <= this.#limits.batchTokensMax &&
      (this.size + 1) * longest <= this.#limits.paddedTokensMax
    );
  }

  add(job: Job): void {
    this.jobs.push(job);
    this.longest = Math.max(this.longest, job.ids.length);
    this.tokens += job.ids.length;
    this.seconds += job.seconds;
  }
}
