// Random calls, some at a time, until the time or the money is over; then repeats of what was cut off under an
// `Idempotency-Key`, which tells whether it was charged, as the docs advise; and readings of the books meanwhile.

import type { MadeCall, Outcome, PlannedCall, Reading } from "./history.ts";
import type { Planner } from "./planner.ts";
import type { NanoUsd } from "../../shared/money.ts";

/** Time between readings of the books. */
const READ_EVERY_MS = 2000;
/** After a 402 or a broken connection. */
const PAUSE_MS = 200;
/** The most tries to learn what became of a cut call. */
const RESOLVE_TRIES_MAX = 20;
const RESOLVE_PAUSE_MS = 1000;
/** Weight of the latest call in the running mean of times. */
const LATEST = 0.1;
const USUAL_MS_FIRST = 50;

export interface TrafficPorts {
  readonly send: (call: PlannedCall) => Promise<Outcome>;
  /** Undefined: the books could not be read this time. */
  readonly read: () => Promise<Reading | undefined>;
  readonly now: () => number;
  /** May end early when `signal` aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<unknown>;
}

export interface TrafficTerms {
  readonly concurrency: number;
  readonly maxCost: NanoUsd;
  readonly untilMs: number;
  /** The most calls; fewer in tests. */
  readonly callsMax: number;
  /** Aborts when the user wants an end. */
  readonly stop: AbortSignal;
}

export class Traffic {
  readonly made: MadeCall[] = [];
  readonly readings: Reading[] = [];
  /** Why it ended. */
  ended: "time" | "money" | "calls" | "stopped" = "time";
  readonly #planner: Planner;
  readonly #terms: TrafficTerms;
  readonly #ports: TrafficPorts;
  readonly #waiting: PlannedCall[] = [];
  /** Keys whose cost is set aside, and whether it is known. */
  readonly #keys = new Map<string, "open" | "served">();
  /** Not spent and not set aside, in nano-USD. */
  #left: number;
  #planned = 0;
  /** Aborts when no more calls are planned: nobody pauses before one. */
  readonly #over = new AbortController();
  #isResolved = false;
  #usualMs = USUAL_MS_FIRST;

  constructor(planner: Planner, terms: TrafficTerms, ports: TrafficPorts) {
    this.#planner = planner;
    this.#terms = terms;
    this.#ports = ports;
    this.#left = terms.maxCost;
  }

  async run(): Promise<void> {
    const reading = this.#keepReading();
    await inParallel(this.#terms.concurrency, () => this.#work());
    const unknown = this.#unknownKeys();
    await inParallel(this.#terms.concurrency, async () => {
      for (let call = unknown.pop(); call !== undefined; call = unknown.pop()) await this.#resolve(call);
    });
    this.#isResolved = true;
    await reading;
  }

  async #work(): Promise<void> {
    for (let call = this.#next(); call !== undefined; call = this.#next()) {
      const outcome = await this.#make(call);
      const waitMs = pauseAfter(outcome);
      const leftMs = this.#terms.untilMs - this.#ports.now();
      if (waitMs > 0 && leftMs > 0) await this.#ports.sleep(Math.min(waitMs, leftMs), this.#over.signal);
    }
  }

  /** Undefined: it is over. */
  #next(): PlannedCall | undefined {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return waiting;
    const end = this.#end();
    if (end !== undefined) return this.#endWith(end);
    const [call, ...repeats] = this.#planner.next(this.#usualMs);
    if (!this.#setAside(call)) return this.#endWith("money");
    this.#waiting.push(...repeats);
    return call;
  }

  #endWith(end: Traffic["ended"]): undefined {
    if (!this.#over.signal.aborted) this.ended = end;
    this.#over.abort();
  }

  #end(): Traffic["ended"] | undefined {
    if (this.#terms.stop.aborted) return "stopped";
    if (this.made.length >= this.#terms.callsMax) return "calls";
    return this.#ports.now() >= this.#terms.untilMs ? "time" : undefined;
  }

  /** Sets the most that the call may cost aside; false: that is more than is left. */
  #setAside({ idempotencyKey, boundNanoUsd }: PlannedCall): boolean {
    if (idempotencyKey !== undefined && this.#keys.has(idempotencyKey)) return true;
    if (boundNanoUsd > this.#left) return false;
    this.#left -= boundNanoUsd;
    if (idempotencyKey !== undefined) this.#keys.set(idempotencyKey, "open");
    return true;
  }

  async #make(call: PlannedCall): Promise<Outcome> {
    this.#planned += 1;
    const id = this.#planned;
    const sentMs = this.#ports.now();
    const outcome = await this.#ports.send(call);
    const endedMs = this.#ports.now();
    this.made.push({ id, call, sentMs, endedMs, outcome });
    if (outcome.kind === "served") {
      this.#served(call, outcome.charged?.most.costNanoUsd ?? outcome.costNanoUsd ?? call.boundNanoUsd);
    } else if (outcome.kind !== "unknown" && call.idempotencyKey === undefined) this.#left += call.boundNanoUsd;
    if (outcome.kind === "served" && call.manner.kind === "whole" && call.job === undefined) {
      this.#usualMs += LATEST * (endedMs - sentMs - this.#usualMs);
    }
    return outcome;
  }

  #served(call: PlannedCall, costNanoUsd: number): void {
    const { idempotencyKey, boundNanoUsd } = call;
    if (idempotencyKey === undefined) this.#left += boundNanoUsd - costNanoUsd;
    else if (this.#keys.get(idempotencyKey) !== "served") {
      this.#keys.set(idempotencyKey, "served");
      this.#left += boundNanoUsd - costNanoUsd;
      this.#planner.keep(call);
    }
  }

  /** One call of each key of which an outcome is unknown and none is known. */
  #unknownKeys(): PlannedCall[] {
    const unknown = new Map<string, PlannedCall>();
    for (const { call, outcome } of this.made) {
      const { idempotencyKey: key } = call;
      if (key === undefined || outcome.kind !== "unknown" || this.#keys.get(key) === "served") continue;
      unknown.set(key, { ...call, manner: { kind: "whole" } });
    }
    return [...unknown.values()];
  }

  /** Repeats a call whose end is unknown until it has one. */
  async #resolve(call: PlannedCall): Promise<void> {
    for (let tries = 0; tries < RESOLVE_TRIES_MAX; tries += 1) {
      const outcome = await this.#make(call);
      if (outcome.kind === "served") return;
      if (outcome.kind === "refused" && (outcome.status === 402 || pauseAfter(outcome) === 0)) return;
      await this.#ports.sleep(Math.max(pauseAfter(outcome), RESOLVE_PAUSE_MS));
    }
  }

  async #keepReading(): Promise<void> {
    let dueMs = this.#ports.now();
    while (!this.#isResolved) {
      await this.#ports.sleep(PAUSE_MS);
      if (this.#ports.now() < dueMs) continue;
      dueMs = this.#ports.now() + READ_EVERY_MS;
      const reading = await this.#ports.read();
      if (reading !== undefined) this.readings.push(reading);
    }
  }
}

/** Ms until another call is worth a try. */
function pauseAfter(outcome: Outcome): number {
  if (outcome.kind === "unsent") return PAUSE_MS;
  if (outcome.kind !== "refused") return 0;
  const { status, waitMs } = outcome;
  if (status === 402) return PAUSE_MS;
  return status === 429 || status === 409 || status >= 500 ? (waitMs ?? RESOLVE_PAUSE_MS) : 0;
}

async function inParallel(workers: number, work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: workers }, work));
}
