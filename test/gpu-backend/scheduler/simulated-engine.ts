// The scheduler on a virtual clock: calls arrive, batches run for their estimated time, two deep, in order. Everything
// that a ticket is told is written down, so that a test can check it at the end.

import { CostModel } from "../../../gpu-backend/scheduler/cost-model.ts";
import { Scheduler } from "../../../gpu-backend/scheduler/scheduler.ts";
import type { Batch, SchedulerCall, SchedulerLimits, Ticket } from "../../../gpu-backend/scheduler/types.ts";

/** A text of n tokens takes n milliseconds. */
export const COST = { a: 0.001, b: 0 };

export const LIMITS: SchedulerLimits = {
  queueSecondsMax: 2,
  batchQueueSecondsMax: 6,
  accountShareMax: 1,
  batchTokensMax: 400,
  paddedTokensMax: 600,
  batchTextsMax: 32,
  shortTokensMax: Number.POSITIVE_INFINITY,
  batchSecondsMax: 0.2,
  sharesRows: false,
  ageSecondsMax: 1,
};

export interface Record {
  readonly call: SchedulerCall;
  readonly ticket: Ticket;
  /** Per text: how often a row came, and whether it was this text's own; a fault in its place counts as one. */
  readonly rows: number[];
  faults: number;
  readonly ends: string[];
}

export class Simulation {
  now = 0;
  readonly scheduler: Scheduler;
  readonly records: Record[] = [];
  readonly batches: Batch[] = [];
  readonly running: Batch[] = [];
  readonly servedSeconds = new Map<string, number>();
  readonly #limits: SchedulerLimits;

  constructor(limits: SchedulerLimits = LIMITS) {
    this.#limits = limits;
    this.scheduler = new Scheduler(limits, new CostModel(COST));
  }

  /** Undefined when refused. */
  arrive(call: Omit<SchedulerCall, "deadline"> & { deadline?: number }): Record | undefined {
    const full = { deadline: Number.POSITIVE_INFINITY, ...call };
    const admission = this.scheduler.admit(full, this.now);
    if (admission.kind === "overloaded") return undefined;
    const record = {
      call: full,
      ticket: admission.ticket,
      rows: full.texts.map(() => 0),
      faults: 0,
      ends: [] as string[],
    };
    this.records.push(record);
    return record;
  }

  cancel(record: Record): void {
    if (record.ticket.state !== "waiting") return;
    this.scheduler.cancel(record.ticket);
    record.ends.push("cancelled");
  }

  /** Hands one more batch over, if two are not running and something waits, or a long text, if none runs. */
  start(): Batch | undefined {
    this.expire();
    const batch =
      (this.running.length < 2 ? this.scheduler.nextBatch(this.now) : undefined) ?? this.scheduler.nextLong(this.now);
    if (batch === undefined) return undefined;
    this.#check(batch);
    this.batches.push(batch);
    this.running.push(batch);
    return batch;
  }

  expire(): void {
    for (const ticket of this.scheduler.expire(this.now)) this.#recordOf(ticket).ends.push("expired");
  }

  /** The oldest running batch ends; the clock moves by its time. `fails`: rows without a vector. */
  finish(fails: readonly number[] = []): void {
    const batch = this.running.shift();
    if (batch === undefined) return;
    this.now += batch.seconds;
    const failures = new Map(fails.map((row) => [row % batch.texts.length, new Error("died")]));
    for (const delivery of this.scheduler.finish(batch, failures)) {
      const record = this.#recordOf(delivery.ticket);
      if (delivery.kind !== "row" && delivery.kind !== "no row") {
        record.ends.push(delivery.kind);
        continue;
      }
      if (record.ends.length > 0) throw new Error("a row after the end");
      record.rows[delivery.position] = (record.rows[delivery.position] ?? 0) + 1;
      if (delivery.kind === "no row") {
        record.faults += 1;
        continue;
      }
      const own = record.call.texts[delivery.position];
      if (own === undefined || !sameIds(own, batch.texts[delivery.row])) throw new Error("a row of another text");
      const seconds = (this.servedSeconds.get(record.call.account) ?? 0) + own.length * COST.a;
      this.servedSeconds.set(record.call.account, seconds);
    }
  }

  /** Runs until nothing is left. */
  drain(): void {
    while (this.start() !== undefined || this.running.length > 0) this.finish();
    this.expire();
  }

  #check(batch: Batch): void {
    const longest = Math.max(...batch.texts.map((ids) => ids.length));
    const tokens = batch.texts.reduce((sum, ids) => sum + ids.length, 0);
    if (tokens !== batch.tokens || batch.paddedTokens !== longest * batch.texts.length)
      throw new Error("wrong figures");
    if (batch.texts.length === 1) return;
    const { batchTokensMax, paddedTokensMax, batchTextsMax, sharesRows } = this.#limits;
    const secondsMax = Math.max(this.#limits.batchSecondsMax, sharesRows ? 2 * longest * COST.a : 0);
    const within =
      tokens <= batchTokensMax && batch.paddedTokens <= paddedTokensMax && batch.texts.length <= batchTextsMax;
    if (!within || batch.seconds > secondsMax + 1e-9) throw new Error("a batch over its budget");
  }

  #recordOf(ticket: Ticket): Record {
    const found = this.records.find((record) => record.ticket === ticket);
    if (found === undefined) throw new Error("an unknown ticket");
    return found;
  }
}

function sameIds(left: Int32Array, right: Int32Array | undefined): boolean {
  return right?.length === left.length && left.every((id, index) => id === right[index]);
}

/** A text of `tokens` tokens; equal `tag` and length: the same text. */
export function text(tokens: number, tag: number): Int32Array {
  return Int32Array.from({ length: tokens }, (_, index) => tag * 1_000 + index);
}
