// Who runs next. Pure: no clock, no I/O; seconds come in as `now`, the engine's end of a batch as `finish`. Interactive
// before batch, accounts in fair turns, texts of like length together as far as fairness allows, no text twice for the
// same account, and a queue bounded in seconds of work. Long texts have a lane of their own beside the batches. A ticket
// ends exactly once: done, failed, cancelled or expired.

import { assert, must } from "../../shared/assert.ts";
import type { Tier } from "../../shared/wire.ts";
import { BatchBuilder } from "./batch-builder.ts";
import type { CostModel } from "./cost-model.ts";
import { jobKey, type Job, type OpenTicket } from "./job.ts";
import { TierQueue } from "./tier-queue.ts";
import type {
  Admission,
  Batch,
  Delivery,
  Overload,
  SchedulerCall,
  SchedulerLimits,
  Ticket,
  TicketState,
} from "./types.ts";

/** While batch-tier texts are over their age, one batch in this many takes them first. */
const BATCH_TIER_TURN = 4;
/** The batch tier's share of a batch's seconds when interactive texts wait too, and at its aged turn. */
const BATCH_TIER_SHARE = 0.5;
/** Turns are this fraction of a batch, so that a batch serves several accounts. */
const QUANTA_PER_BATCH = 16;
/** A long text's turn is worth this many batches: few turns pay for one. */
const LONG_QUANTUM_BATCHES = 16;
const RETRY_AFTER_S_MAX = 5;

export class Scheduler {
  readonly #limits: SchedulerLimits;
  readonly #cost: CostModel;
  readonly #queues: { readonly interactive: TierQueue; readonly batch: TierQueue };
  readonly #longQueues: { readonly interactive: TierQueue; readonly batch: TierQueue };
  /** The long text that runs, if one does. */
  #long: Batch | undefined;
  #longTurn: Tier = "interactive";
  /** Queued and running jobs, for coalescing. */
  readonly #jobs = new Map<string, Job>();
  readonly #open = new Set<OpenTicket>();
  /** undefined: a row that was split off. */
  readonly #running = new Map<Batch, (Job | undefined)[]>();
  #batchesSinceBatchTier = 0;

  constructor(limits: SchedulerLimits, cost: CostModel) {
    this.#limits = limits;
    this.#cost = cost;
    const quantum = limits.batchSecondsMax / QUANTA_PER_BATCH;
    this.#queues = { interactive: new TierQueue(quantum), batch: new TierQueue(quantum) };
    const longQuantum = limits.batchSecondsMax * LONG_QUANTUM_BATCHES;
    this.#longQueues = { interactive: new TierQueue(longQuantum), batch: new TierQueue(longQuantum) };
  }

  /** Takes a call in whole or refuses it whole, at once: what counts is the work ahead of it, not its own size. */
  admit(call: SchedulerCall, now: number): Admission {
    assert(call.texts.length > 0, "a call has texts");
    const refused = this.refusal(call.account, call.tier, now) ?? this.#longRefusal(call, now);
    if (refused !== undefined) return refused;
    const { account, tier, deadline, texts, onError = "fail" } = call;
    const left = texts.length;
    const ticket: OpenTicket = { account, tier, deadline, onError, left, state: "waiting", jobs: new Set() };
    this.#open.add(ticket);
    let tag = this.#queues[tier].virtualTimeOf(account);
    let planned = this.#emptyBatch();
    for (const [position, ids] of texts.entries()) {
      const text = { ids, account };
      if (!planned.fits(text) && !planned.fitsForItsRows(text)) planned = this.#emptyBatch();
      const job = this.#join(ticket, ids, planned, tag, now);
      tag = Math.max(tag, job.tag);
      job.waiters.push({ ticket, position });
      ticket.jobs.add(job);
    }
    return { kind: "admitted", ticket };
  }

  /** The caller has left. Running texts are not stopped; texts that no other caller waits for are dropped. */
  cancel(ticket: Ticket): void {
    for (const open of this.#open) if (open === ticket) this.#end(open, "cancelled");
  }

  /** Ends the tickets whose deadline has come, running or not, and returns them. */
  expire(now: number): Ticket[] {
    const expired = [...this.#open].filter((ticket) => ticket.deadline <= now);
    for (const ticket of expired) this.#end(ticket, "expired");
    return expired;
  }

  /** The next batch for the engine, or undefined when nothing waits. Call expire first. */
  nextBatch(now: number): Batch | undefined {
    const builder = this.#emptyBatch();
    const { interactive, batch } = this.#queues;
    const agedBefore = now - this.#limits.ageSecondsMax;
    const shared = this.#limits.batchSecondsMax * BATCH_TIER_SHARE;
    if (this.#batchTierIsDue(now)) {
      if (!interactive.empty) builder.capSeconds(shared);
      batch.fillBatch(builder, agedBefore);
      this.#batchesSinceBatchTier = 0;
      builder.capSeconds(this.#limits.batchSecondsMax);
      interactive.fillBatch(builder, agedBefore);
    } else {
      this.#batchesSinceBatchTier += 1;
      interactive.fillBatch(builder, agedBefore);
      if (builder.size > 0) builder.capSeconds(shared);
      batch.fillBatch(builder, agedBefore);
    }
    const [first] = builder.jobs;
    if (first === undefined) return undefined;
    if (this.#limits.sharesRows) this.#queues[first.tier].fillShared(builder);
    return this.#start(builder, now);
  }

  #emptyBatch(): BatchBuilder {
    return new BatchBuilder(this.#limits, this.#cost);
  }

  #start({ jobs, owners, tokens, paddedTokens, seconds }: BatchBuilder, now: number): Batch {
    const next: Batch = { texts: jobs.map((job) => job.ids), owners, tokens, paddedTokens, seconds, startedAt: now };
    this.#running.set(next, jobs);
    return next;
  }

  /** The next long text, as a batch of its own, while none runs. Call expire first. */
  nextLong(now: number): Batch | undefined {
    if (this.#long !== undefined) return undefined;
    const builder = new BatchBuilder({ ...this.#limits, batchTextsMax: 1 }, this.#cost);
    const agedBefore = now - this.#limits.ageSecondsMax;
    const { interactive, batch } = this.#longQueues;
    // In turns with interactive ones, once the batch tier's oldest is over its age.
    const first = this.#longTurn === "batch" && batch.oldestAdmittedAt <= agedBefore ? batch : interactive;
    first.fillBatch(builder, agedBefore);
    if (builder.size === 0) batch.fillBatch(builder, agedBefore);
    const [job] = builder.jobs;
    if (job === undefined) return undefined;
    this.#longTurn = job.tier === "interactive" ? "batch" : "interactive";
    this.#long = this.#start(builder, now);
    return this.#long;
  }

  /** Whether somebody still waits for a text of a running batch. */
  isWanted(batch: Batch): boolean {
    return this.#running.get(batch)?.some((job) => job !== undefined && job.waiters.length > 0) === true;
  }

  /**
   * Takes a row out of a running batch, to be computed again elsewhere: who waits for it goes on waiting for the batch
   * of one that this gives, which counts as no work of the engine.
   */
  splitOff(batch: Batch, row: number, now: number): Batch {
    const jobs = must(this.#running.get(batch), "a batch that runs");
    const job = must(jobs[row], "a row that is still in its batch");
    jobs[row] = undefined;
    const { length } = job.ids;
    const single: Batch = {
      texts: [job.ids],
      owners: Int32Array.of(0),
      tokens: length,
      paddedTokens: length,
      seconds: 0,
      startedAt: now,
    };
    this.#running.set(single, [job]);
    return single;
  }

  /** The engine is done with `batch`; `failures`: row → why. Tells whom each row belongs to and which tickets end. */
  finish<Reason extends object>(batch: Batch, failures: ReadonlyMap<number, Reason>): Delivery<Reason>[] {
    const jobs = must(this.#running.get(batch), "a batch that runs");
    this.#running.delete(batch);
    if (batch === this.#long) this.#long = undefined;
    const deliveries: Delivery<Reason>[] = [];
    for (const [row, job] of jobs.entries()) {
      if (job === undefined) continue;
      const waiters = job.waiters;
      this.#forget(job);
      const reason = failures.get(row);
      for (const { ticket, position } of waiters) {
        if (ticket.state !== "waiting") continue;
        if (reason !== undefined && ticket.onError === "fail") {
          this.#end(ticket, "failed");
          deliveries.push({ kind: "failed", ticket, position, reason });
          continue;
        }
        if (reason === undefined) deliveries.push({ kind: "row", ticket, position, row });
        else deliveries.push({ kind: "no row", ticket, position, reason });
        ticket.left -= 1;
        ticket.jobs.delete(job);
        if (ticket.left > 0) continue;
        this.#end(ticket, "done");
        deliveries.push({ kind: "done", ticket });
      }
    }
    return deliveries;
  }

  /** Seconds of work that wait or run at `now`. */
  queueSeconds(now: number): number {
    return this.waitingSeconds + this.#runningSeconds(now) + this.#longSeconds(now);
  }

  get waitingSeconds(): number {
    return this.#queues.interactive.seconds + this.#queues.batch.seconds;
  }

  /** Enough waits to fill a batch: handing it over early costs nothing. */
  get fullBatchWaits(): boolean {
    return this.waitingSeconds >= this.#limits.batchSecondsMax;
  }

  /** The earliest deadline of an open ticket; infinity without one. */
  get nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const ticket of this.#open) next = Math.min(next, ticket.deadline);
    return next;
  }

  get openTickets(): number {
    return this.#open.size;
  }

  get runningBatches(): number {
    return this.#running.size;
  }

  /** Why a call of `account` would be refused now, if it would be. */
  refusal(account: string, tier: Tier, now: number): Overload | undefined {
    const { queueSecondsMax, batchQueueSecondsMax, accountShareMax } = this.#limits;
    const bound = tier === "interactive" ? queueSecondsMax : batchQueueSecondsMax;
    const waiting = tier === "interactive" ? this.#queues.interactive.seconds : this.waitingSeconds;
    const over = waiting + this.#runningSeconds(now) - bound;
    const accountOver = this.#queues[tier].secondsOf(account) - bound * accountShareMax;
    if (over < 0 && accountOver < 0) return undefined;
    const retryAfterS = Math.min(RETRY_AFTER_S_MAX, Math.max(1, Math.ceil(Math.max(over, accountOver))));
    return { kind: "overloaded", reason: over >= 0 ? "queue" : "account", retryAfterS };
  }

  /** Why a call with a long text is refused: what counts is the work of the lane that it goes to. */
  #longRefusal({ account, tier, texts }: SchedulerCall, now: number): Overload | undefined {
    if (!texts.some((ids) => this.#isLong(ids))) return undefined;
    const { queueSecondsMax, batchQueueSecondsMax, accountShareMax } = this.#limits;
    const bound = tier === "interactive" ? queueSecondsMax : batchQueueSecondsMax;
    if (this.#longQueues[tier].secondsOf(account) >= bound * accountShareMax)
      return { kind: "overloaded", reason: "account", retryAfterS: RETRY_AFTER_S_MAX };
    if (this.#longSeconds(now) < bound) return undefined;
    return { kind: "overloaded", reason: "queue", retryAfterS: RETRY_AFTER_S_MAX };
  }

  /** Seconds of long texts that wait or run. */
  #longSeconds(now: number): number {
    const running = this.#long === undefined ? 0 : this.#long.seconds - (now - this.#long.startedAt);
    return this.#longQueues.interactive.seconds + this.#longQueues.batch.seconds + Math.max(0, running);
  }

  #isLong(ids: Int32Array): boolean {
    return ids.length > this.#limits.shortTokensMax;
  }

  #queueOf({ ids, tier }: Job): TierQueue {
    return this.#isLong(ids) ? this.#longQueues[tier] : this.#queues[tier];
  }

  /** The account's job for `ids`, an open one if there is one. `planned`: of the texts before it in its call. */
  #join(ticket: OpenTicket, ids: Int32Array, planned: BatchBuilder, tag: number, now: number): Job {
    const key = jobKey(ticket.account, ticket.tier, ids);
    const existing = this.#jobs.get(key);
    if (existing !== undefined) return existing;
    const seconds = planned.secondsOf({ ids, account: ticket.account });
    const job: Job = {
      key,
      account: ticket.account,
      tier: ticket.tier,
      ids,
      seconds,
      admittedAt: now,
      tag: tag + seconds,
      skipped: 0,
      state: "queued",
      waiters: [],
    };
    planned.add(job);
    this.#jobs.set(key, job);
    this.#queueOf(job).add(job);
    return job;
  }

  #batchTierIsDue(now: number): boolean {
    const { interactive, batch } = this.#queues;
    if (batch.empty || interactive.empty) return false;
    if (this.#batchesSinceBatchTier + 1 < BATCH_TIER_TURN) return false;
    return now - batch.oldestAdmittedAt >= this.#limits.ageSecondsMax;
  }

  #runningSeconds(now: number): number {
    let seconds = 0;
    let since = now;
    for (const batch of this.#running.keys()) {
      if (batch.seconds === 0 || batch === this.#long) continue; // split off; beside the others
      seconds += batch.seconds;
      since = Math.min(since, batch.startedAt);
    }
    return Math.max(0, seconds - (now - since));
  }

  #end(ticket: OpenTicket, state: Exclude<TicketState, "waiting">): void {
    assert(ticket.state === "waiting", "a ticket ends once");
    ticket.state = state;
    this.#open.delete(ticket);
    for (const job of ticket.jobs) {
      job.waiters = job.waiters.filter((waiter) => waiter.ticket !== ticket);
      if (job.waiters.length > 0) continue;
      if (job.state === "queued") this.#queueOf(job).remove(job);
      // A batch that runs goes on, and may still serve somebody; a long text is broken off.
      if (job.state === "queued" || this.#isLong(job.ids)) this.#forget(job);
    }
    ticket.jobs.clear();
  }

  #forget(job: Job): void {
    job.state = "gone";
    if (this.#jobs.get(job.key) === job) this.#jobs.delete(job.key);
  }
}
