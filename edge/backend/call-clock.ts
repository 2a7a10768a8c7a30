// The time of one call: its deadline, and how much of it may go into waiting for a cold model.

import type { AtOnce } from "../lib/at-once.ts";
import type { CancelSignal } from "../lib/cancel.ts";

/** How one call travels. */
export interface PoolCall {
  /** Of a call in several parts: one of them at a time asks whether its backend is alive. */
  readonly watching?: AtOnce;
  readonly requestId: string;
  readonly traceparent: string | undefined;
  /** What is left of the call's time, waiting for a cold model included. */
  readonly deadlineMs: number;
  readonly coldHoldMs: number;
  readonly signal: CancelSignal;
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** The text at `index` of this call in the caller's words, for faults that name one. */
  readonly itemOf?: (index: number) => string | null;
}

export class CallClock {
  readonly #now: () => number;
  readonly #deadlineAtMs: number;
  #holdLeftMs: number;

  constructor(call: Pick<PoolCall, "deadlineMs" | "coldHoldMs">, now: () => number) {
    this.#now = now;
    this.#deadlineAtMs = now() + call.deadlineMs;
    this.#holdLeftMs = call.coldHoldMs;
  }

  get leftMs(): number {
    return this.#deadlineAtMs - this.#now();
  }

  get holdLeftMs(): number {
    return this.#holdLeftMs;
  }

  /** Runs one step of holding and takes its time from the hold. */
  async held(step: () => Promise<unknown>): Promise<void> {
    const before = this.#now();
    await step();
    this.#holdLeftMs -= this.#now() - before;
  }
}
