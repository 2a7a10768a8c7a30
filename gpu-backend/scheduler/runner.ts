// Connects the scheduler to the engine and to time: hands batches over (the next one shortly before the one that runs
// ends, so that it can still grow), gives vectors to those who wait, ends what is late or cancelled.

import type { ItemFault, Tier } from "../../shared/wire.ts";
import { type ApiError, apiError } from "../../shared/errors.ts";
import { assert, must } from "../../shared/assert.ts";
import type { ExactComputation } from "../engine/exact-engine.ts";
import {
  EngineDied,
  type Engine,
  type EngineResult,
  NonFiniteVector,
  type TextFailure,
  TextsFailed,
} from "../engine/types.ts";
import { TextFault } from "../tokenizer/text-fault.ts";
import type { CostModel } from "./cost-model.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Batch, Delivery, Overload, SchedulerCall, Ticket } from "./types.ts";

export interface EmbeddedCall {
  /** [texts, words] (engine/row-form.ts), in the order asked; of a text at fault zeros. */
  readonly vectors: Uint16Array<ArrayBuffer>;
  /** Of the texts that have no vector, in order. None where a fault fails the call. */
  readonly faults: readonly ItemFault[];
  /** Time between admission and answer in which none of this call's texts ran. */
  readonly queueMs: number;
  /** Engine time, in milliseconds, of the batches that carried this call's texts. */
  readonly runMs: number;
}

/** What an observer (metrics) gets. */
export interface RunnerEvents {
  batchDone(batch: Batch, runMs: number): void;
  /** A text without a finite vector was computed again in float32, and whether that gave one. */
  recomputed?(finite: boolean): void;
  /** A batch failed for a reason of our own, not for one of its texts': an assertion, an answer of the wrong size. */
  fault?(error: unknown): void;
  shed(reason: "queue" | "account" | "deadline" | "cancelled"): void;
}

/** At most one batch runs and one is ready after it. */
const BATCHES_IN_FLIGHT_MAX = 2;
/** The second batch is handed over so long before the first is expected to end. */
const LEAD_SECONDS_MIN = 0.005;
const LEAD_SHARE = 0.1;
/** Texts that end the engine's process, each for all: a call with more of them fails, whatever it says of errors. */
const DEADLY_TEXTS_MAX = 2;

interface Pending {
  readonly vectors: Uint16Array<ArrayBuffer>;
  readonly faults: ItemFault[];
  deadlyTexts: number;
  readonly admittedAt: number;
  runMs: number;
  lastBatch: Batch | undefined;
  readonly resolve: (done: EmbeddedCall) => void;
  readonly reject: (reason: unknown) => void;
  readonly stopListening: () => void;
}

type Outcome = EngineResult & {
  readonly failures: ReadonlyMap<number, TextFailure>;
  /** Set when all of them failed for a reason of our own. */
  readonly fault?: unknown;
};

export class Runner {
  readonly #scheduler: Scheduler;
  readonly #cost: CostModel;
  readonly #engine: Engine;
  readonly #words: number;
  readonly #events: RunnerEvents;
  readonly #exact: ExactComputation | undefined;
  readonly #pending = new Map<Ticket, Pending>();
  /** Oldest first; the engine runs them in order. */
  readonly #inFlight: Batch[] = [];
  /** The long text that runs beside them; aborted when no caller waits for it. */
  #long: { readonly batch: Batch; readonly controller: AbortController } | undefined;
  #currentSince = 0;
  #pumpTimer: NodeJS.Timeout | undefined;
  #deadlineTimer: NodeJS.Timeout | undefined;

  /** `words`: of a text's row. `exact`: where texts without a finite vector get a second try; without it they fail. */
  constructor(
    scheduler: Scheduler,
    cost: CostModel,
    engine: Engine,
    words: number,
    events: RunnerEvents,
    exact?: ExactComputation,
  ) {
    this.#scheduler = scheduler;
    this.#cost = cost;
    this.#engine = engine;
    this.#words = words;
    this.#events = events;
    this.#exact = exact;
  }

  /**
   * Queues a call's texts and resolves with all their vectors. Rejects with ApiError (overloaded, deadline_exceeded), with
   * TextFault when one of its texts cannot be embedded (`onError: "per_item"`: too many of them), or with the signal's
   * reason once it aborts.
   */
  embed(
    call: Omit<SchedulerCall, "deadline"> & { readonly deadlineMs: number },
    signal: AbortSignal,
  ): Promise<EmbeddedCall> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const now = seconds();
      const admission = this.#scheduler.admit({ ...call, deadline: now + call.deadlineMs / 1_000 }, now);
      if (admission.kind === "overloaded") return reject(this.#overloaded(admission));
      const { ticket } = admission;
      const vectors = new Uint16Array(call.texts.length * this.#words);
      const onAbort = (): void => this.#cancel(ticket, signal.reason);
      signal.addEventListener("abort", onAbort);
      const stopListening = (): void => signal.removeEventListener("abort", onAbort);
      this.#pending.set(ticket, {
        vectors,
        faults: [],
        deadlyTexts: 0,
        admittedAt: now,
        runMs: 0,
        lastBatch: undefined,
        resolve,
        reject,
        stopListening,
      });
      this.#armDeadline();
      // After this turn of the event loop, so that calls that arrive together go together.
      setImmediate(() => this.#pump());
    });
  }

  /** Throws ApiError when a call would be refused now: known before its texts are tokenised. */
  checkRoom(account: string, tier: Tier): void {
    const refusal = this.#scheduler.refusal(account, tier, seconds());
    if (refusal !== undefined) throw this.#overloaded(refusal);
  }

  #overloaded({ reason, retryAfterS }: Overload): ApiError {
    this.#events.shed(reason);
    return apiError("overloaded", OVERLOADED[reason], null, retryAfterS);
  }

  queueSeconds(): number {
    return this.#scheduler.queueSeconds(seconds());
  }

  get openCalls(): number {
    return this.#pending.size;
  }

  #pump(): void {
    const now = seconds();
    this.#expire(now);
    while (this.#inFlight.length < BATCHES_IN_FLIGHT_MAX && this.#mayHandOver(now)) {
      const batch = this.#scheduler.nextBatch(now);
      if (batch === undefined) break;
      void this.#run(batch);
    }
    const long = this.#scheduler.nextLong(now);
    if (long !== undefined) void this.#runLong(long);
  }

  /** With one batch running: only a full one, or when the running one is about to end; else waits for more texts. */
  #mayHandOver(now: number): boolean {
    const running = this.#inFlight[0];
    if (running === undefined || this.#scheduler.fullBatchWaits) return true;
    if (this.#scheduler.waitingSeconds === 0) return false;
    const lead = Math.max(LEAD_SECONDS_MIN, running.seconds * LEAD_SHARE);
    const early = this.#currentSince + running.seconds - lead - now;
    if (early <= 0) return true;
    clearTimeout(this.#pumpTimer);
    this.#pumpTimer = setTimeout(() => this.#pump(), early * 1_000);
    return false;
  }

  async #run(batch: Batch): Promise<void> {
    if (this.#inFlight.length === 0) this.#currentSince = seconds();
    this.#inFlight.push(batch);
    const { texts, owners, seconds: expected } = batch;
    const outcome = await this.#outcome(batch, () => this.#engine.run(texts, { owners, seconds: expected }));
    this.#inFlight.splice(this.#inFlight.indexOf(batch), 1);
    this.#currentSince = seconds();
    this.#finish(batch, outcome);
  }

  async #runLong(batch: Batch): Promise<void> {
    const controller = new AbortController();
    this.#long = { batch, controller };
    const { signal } = controller;
    const outcome = await this.#outcome(batch, () => this.#engine.run(batch.texts, { seconds: batch.seconds, signal }));
    this.#long = undefined;
    this.#finish(batch, outcome);
  }

  #dropUnwanted(): void {
    if (this.#long !== undefined && !this.#scheduler.isWanted(this.#long.batch)) this.#long.controller.abort();
  }

  #finish(batch: Batch, outcome: Outcome): void {
    if (outcome.runMs > 0) {
      this.#cost.observe(batch.seconds, outcome.runMs / 1_000);
      this.#events.batchDone(batch, outcome.runMs);
    }
    this.#computeAgain(batch, outcome);
    const deliveries = this.#scheduler.finish(batch, outcome.failures);
    try {
      // The engine first: the next batch need not wait until this one's rows are copied.
      this.#pump();
    } finally {
      this.#deliver(batch, outcome, deliveries);
    }
  }

  /** What `compute` gives; a fault of our own, thrown or rejected, fails this batch's texts and nothing else. */
  async #outcome(batch: Batch, compute: () => Promise<EngineResult>): Promise<Outcome> {
    const outcome = await outcomeOf(batch, compute, this.#words);
    if (outcome.fault !== undefined) this.#events.fault?.(outcome.fault);
    return outcome;
  }

  /** Rows without a finite vector: alone, in float32, while the other rows of their batch are delivered. */
  #computeAgain(batch: Batch, { failures }: Outcome): void {
    for (const [row, reason] of failures) {
      if (!(reason instanceof NonFiniteVector) || this.#exact?.hasRoom !== true) continue;
      void this.#finishExactly(this.#scheduler.splitOff(batch, row, seconds()), this.#exact);
    }
  }

  async #finishExactly(single: Batch, exact: ExactComputation): Promise<void> {
    const compute = (): Promise<EngineResult> => exact.run(must(single.texts[0], "its text"));
    const { failures, ...outcome } = await this.#outcome(single, compute);
    this.#events.recomputed?.(failures.size === 0);
    // Whatever stopped the second try, what is wrong with the text is that it has no finite vector.
    const failed = failures.size === 0 ? NO_FAILURES : new Map([[0, new NonFiniteVector(0)]]);
    this.#deliver(single, { ...outcome, failures: failed }, this.#scheduler.finish(single, failed));
  }

  #deliver(batch: Batch, outcome: Outcome, deliveries: readonly Delivery<TextFailure>[]): void {
    for (const delivery of deliveries) {
      const pending = this.#pending.get(delivery.ticket);
      if (pending === undefined) continue; // expired a moment ago, in the pump above
      switch (delivery.kind) {
        case "row":
          this.#copyRow(pending, delivery.position, outcome.vectors, delivery.row);
          this.#charge(pending, batch, outcome.runMs);
          break;
        case "no row":
          this.#keepFault(delivery.ticket, pending, delivery);
          this.#charge(pending, batch, outcome.runMs);
          break;
        case "done":
          this.#release(delivery.ticket, pending);
          pending.resolve(this.#embedded(pending));
          break;
        case "failed":
          this.#release(delivery.ticket, pending);
          pending.reject(new TextFault(faultOf(delivery.reason, delivery.position)));
      }
    }
  }

  #keepFault(ticket: Ticket, pending: Pending, { position, reason }: { position: number; reason: TextFailure }): void {
    const fault = faultOf(reason, position);
    pending.faults.push(fault);
    if (!(reason instanceof EngineDied)) return;
    pending.deadlyTexts += 1;
    if (pending.deadlyTexts <= DEADLY_TEXTS_MAX) return;
    this.#release(ticket, pending);
    this.#scheduler.cancel(ticket);
    pending.reject(new TextFault(fault));
  }

  #copyRow(pending: Pending, position: number, from: Uint16Array, row: number): void {
    const width = this.#words;
    pending.vectors.set(from.subarray(row * width, (row + 1) * width), position * width);
  }

  #charge(pending: Pending, batch: Batch, runMs: number): void {
    if (pending.lastBatch === batch) return;
    pending.lastBatch = batch;
    pending.runMs += runMs;
  }

  #embedded(pending: Pending): EmbeddedCall {
    const elapsedMs = (seconds() - pending.admittedAt) * 1_000;
    const { vectors, runMs } = pending;
    const faults = pending.faults.toSorted((a, b) => a.index - b.index);
    return { vectors, faults, queueMs: Math.max(0, elapsedMs - runMs), runMs };
  }

  #cancel(ticket: Ticket, reason: unknown): void {
    const pending = this.#pending.get(ticket);
    if (pending === undefined) return;
    this.#release(ticket, pending);
    this.#scheduler.cancel(ticket);
    this.#dropUnwanted();
    this.#events.shed("cancelled");
    pending.reject(reason);
  }

  #expire(now: number): void {
    for (const ticket of this.#scheduler.expire(now)) {
      const pending = must(this.#pending.get(ticket), "a ticket's caller");
      this.#release(ticket, pending);
      this.#events.shed("deadline");
      pending.reject(apiError("deadline_exceeded", "The deadline passed before the embeddings were ready."));
    }
    this.#dropUnwanted();
  }

  #release(ticket: Ticket, pending: Pending): void {
    this.#pending.delete(ticket);
    pending.stopListening();
  }

  #armDeadline(): void {
    const next = this.#scheduler.nextDeadline;
    clearTimeout(this.#deadlineTimer);
    if (next === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(0, next - seconds()) * 1_000 + 1, 2 ** 31 - 1);
    this.#deadlineTimer = setTimeout(() => {
      this.#expire(seconds());
      this.#armDeadline();
    }, delay);
    this.#deadlineTimer.unref();
  }
}

const OVERLOADED = {
  queue: "The backend has more work than it can finish soon. Try again after the time given.",
  account: "This account's share of the queue is full. Try again after the time given.",
} as const;

const NO_FAILURES: ReadonlyMap<number, TextFailure> = new Map();

function seconds(): number {
  return performance.now() / 1_000;
}

async function outcomeOf(batch: Batch, compute: () => Promise<EngineResult>, words: number): Promise<Outcome> {
  try {
    const result = await compute();
    assert(result.vectors.length === batch.texts.length * words, "the engine gives a row for each text");
    return { ...result, failures: NO_FAILURES };
  } catch (error) {
    return failureOf(error, batch);
  }
}

function failureOf(error: unknown, batch: Batch): Outcome {
  if (error instanceof TextsFailed) return { vectors: error.vectors, runMs: error.runMs, failures: error.failures };
  const fault = error instanceof EngineDied ? undefined : error;
  const died = error instanceof EngineDied ? error : new EngineDied(String(error));
  return { vectors: new Uint16Array(), runMs: 0, failures: new Map(batch.texts.map((_, row) => [row, died])), fault };
}

function faultOf(reason: TextFailure, index: number): ItemFault {
  const facts = { index, facts: {}, retryAfterS: null };
  return reason instanceof NonFiniteVector
    ? {
        code: "vector_not_finite",
        message: "The model gives nothing finite for this text, in its batch, alone, or in float32.",
        ...facts,
      }
    : {
        code: "internal_error",
        message: "The inference engine stopped while it ran this text, alone as well as in its batch.",
        ...facts,
      };
}
