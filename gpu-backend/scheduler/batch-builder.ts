// A batch while it is being filled: what still fits under the budgets of tokens, padding, texts and seconds. Pure.

import { sharedTokens } from "../engine/shared-rows.ts";
import type { CostModel } from "./cost-model.ts";
import type { Job } from "./job.ts";
import type { SchedulerLimits } from "./types.ts";

/** From this share of a budget on, looking for something that still fits is not worth it. */
const FULL_SHARE = 0.95;
/** Texts that share rows may make a batch so many times as long as its dearest text makes it alone. */
const SHARING_STRETCH = 2;

/** What counts of a job. */
type Text = Pick<Job, "ids" | "account">;

export class BatchBuilder {
  readonly jobs: Job[] = [];
  /** Lines that have had a turn in this batch. */
  readonly visited = new Set<object>();
  /** Lines whose due job this batch has taken or tried: one of each. */
  readonly tookDue = new Set<object>();
  longest = 0;
  tokens = 0;
  seconds = 0;
  /** Of its dearest text alone. */
  #dearestSeconds = 0;
  readonly #limits: SchedulerLimits;
  readonly #cost: CostModel;
  #secondsMax: number;
  /** Of the text asked about last, beside the first `size` jobs. */
  #counted: { readonly ids: Int32Array; readonly size: number; readonly shared: number } | undefined;

  constructor(limits: SchedulerLimits, cost: CostModel) {
    this.#limits = limits;
    this.#cost = cost;
    this.#secondsMax = limits.batchSecondsMax;
  }

  get size(): number {
    return this.jobs.length;
  }

  /** Of each job, the place of its account's first one. */
  get owners(): Int32Array {
    const accounts = this.jobs.map(({ account }) => account);
    return Int32Array.from(accounts, (account) => accounts.indexOf(account));
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

  /** What `text` would add to the estimated seconds. */
  secondsOf(text: Text): number {
    return this.#cost.seconds(text.ids.length, this.#sharedOf(text));
  }

  /** A single text always fits, whatever it costs. */
  fits(text: Text): boolean {
    if (this.size === 0) return true;
    return this.#hasRoom(text.ids) && this.seconds + this.secondsOf(text) <= this.#secondsMax;
  }

  /**
   * Whether a text that fits no more has rows here that make it worth more seconds. Else a text that takes more than a whole
   * batch may would always be alone, and nothing would be shared by those that cost the most.
   */
  fitsForItsRows(text: Text): boolean {
    if (!this.#hasRoom(text.ids) || this.#sharedOf(text) === 0) return false;
    const secondsMax = Math.max(this.#secondsMax, this.#dearestSeconds * SHARING_STRETCH);
    return this.seconds + this.secondsOf(text) <= secondsMax;
  }

  add(job: Job): void {
    const { ids } = job;
    this.seconds += this.secondsOf(job);
    this.#dearestSeconds = Math.max(this.#dearestSeconds, this.#cost.seconds(ids.length));
    this.jobs.push(job);
    this.longest = Math.max(this.longest, ids.length);
    this.tokens += ids.length;
  }

  /** Rows are shared within an account alone: see jobKey. Counted once for a text that is asked about, then added. */
  #sharedOf({ ids, account }: Text): number {
    if (!this.#limits.sharesRows) return 0;
    const { size } = this;
    if (this.#counted?.ids !== ids || this.#counted.size !== size) {
      const own = this.jobs.filter((job) => job.account === account);
      this.#counted = { ids, size, shared: sharedTokens(ids, own) };
    }
    return this.#counted.shared;
  }

  #hasRoom({ length }: Int32Array): boolean {
    return (
      this.size < this.#limits.batchTextsMax &&
      this.tokens + length <= this.#limits.batchTokensMax &&
      (this.size + 1) * Math.max(this.longest, length) <= this.#limits.paddedTokensMax
    );
  }
}
