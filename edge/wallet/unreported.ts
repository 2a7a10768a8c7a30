// What one lease has used and the object has not acknowledged: a sum that only grows, the usage lines to send, and the
// revenue given up because reporting it might charge it twice. Pure.

import { nanoUsd } from "../../shared/money.ts";
import type { Tier } from "../../shared/wire.ts";
import { ZERO, amount, minus, plus } from "../ledger/amount.ts";
import type { Amount, SyncMessage } from "../ledger/types.ts";
import type { Failure, Settlement } from "./wallet-types.ts";
import { LineBook } from "./usage-lines.ts";

export class Unreported {
  /** Revenue that could not be reported because the object might have it already. */
  lostNanoUsd = 0;
  /** When the oldest unreported usage was added; undefined: all is reported. */
  sinceMs: number | undefined;
  /** Whether credit was spent since then. */
  hasSpend = false;
  /** Cumulative since the lease began. */
  private spent: Amount = ZERO;
  private acknowledged: Amount = ZERO;
  private toldLostNanoUsd = 0;
  private readonly lines = new LineBook();

  /** Used, and not acknowledged yet. */
  get used(): Amount {
    return minus(this.spent, this.acknowledged);
  }

  get hasLines(): boolean {
    return this.lines.size > 0;
  }

  addRequest(used: Amount): void {
    this.spent = plus(this.spent, used);
  }

  addSuccess(tier: Tier, settlement: Settlement, cost: Amount, nowMs: number): void {
    this.spent = plus(this.spent, cost);
    this.lines.addSuccess(tier, settlement, nowMs);
    this.sinceMs ??= nowMs;
    this.hasSpend = true;
  }

  addFailure(call: { readonly model: string; readonly tier: Tier }, failure: Failure, nowMs: number): void {
    this.lines.addFailure(call, failure, nowMs);
    this.sinceMs ??= nowMs;
  }

  /** Makes the report of what there is due now. */
  hurry(): void {
    if (this.hasLines) this.sinceMs = -Infinity;
  }

  /**
   * For a lease's first message, which reports no spending: the credit that the lease before it left unreported. It makes
   * the object write the lease down, so that the next message can report. Refused calls alone wait for that until their
   * report `isDue`: otherwise each of them would cost a row.
   */
  carried(isDue: boolean): Pick<SyncMessage, "untoldNanoUsd"> {
    const { nanoUsd: untoldNanoUsd } = this.used;
    return untoldNanoUsd > 0 || (this.hasLines && isDue) ? { untoldNanoUsd } : {};
  }

  /** For every later message: everything so far. */
  tell(): Pick<SyncMessage, "spent" | "lines" | "lostNanoUsd"> {
    const untoldLoss = this.lostNanoUsd - this.toldLostNanoUsd;
    this.sinceMs = undefined;
    this.hasSpend = false;
    return {
      spent: this.spent,
      lines: this.lines.drain(),
      ...(untoldLoss === 0 ? {} : { lostNanoUsd: nanoUsd(untoldLoss) }),
    };
  }

  /** `message` was applied: its sums are known to the object. */
  acknowledge({ spent, lostNanoUsd = nanoUsd(0) }: SyncMessage): void {
    this.acknowledged = spent;
    this.toldLostNanoUsd += lostNanoUsd;
  }

  /** `message` was certainly not applied: its usage is reported again. */
  takeBack({ lines }: SyncMessage, nowMs: number): void {
    this.lines.putBack(lines);
    if (lines.length > 0) this.sinceMs ??= nowMs;
  }

  /** `message` may have been applied: reported again, it might be charged twice. */
  lose({ spent }: SyncMessage): void {
    this.lostNanoUsd += spent.nanoUsd - this.acknowledged.nanoUsd;
    this.acknowledged = spent;
  }

  /** The rest can never be reported. */
  loseAll(): void {
    this.lostNanoUsd += this.used.nanoUsd;
    this.lines.drain();
    this.sinceMs = undefined;
  }

  /** The next lease counts from zero, plus the credit still unreported; requests and tokens have counted already. */
  restart(): void {
    this.spent = amount(this.used.nanoUsd, 0, 0);
    this.acknowledged = ZERO;
  }
}
