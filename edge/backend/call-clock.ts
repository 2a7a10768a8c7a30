// The time budget of one call: its deadline, and the part of it that may go into waiting for a cold model.

import type { AtOnce } from "../lib/at-once.ts";
import type { CallTimer } from "../lib/call-timer.ts";
import type { CancelSignal } from "../lib/cancel.ts";

/** The circumstances of one call to the pool. */
export interface PoolCall {
  /** Where a call is split into parts: lets one part at a time check whether its backend is alive. */
  readonly watching?: AtOnce;
  readonly requestId: string;
  readonly traceparent: string | undefined;
  /** Time left to the call, waiting for a cold model included. */
  readonly deadlineMs: number;
  readonly coldHoldMs: number;
  readonly signal: CancelSignal;
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** Undefined where no request waits for the call. */
  readonly timer?: CallTimer | undefined;
  /** Names the text at `index` of this call in the caller's words, for faults. */
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

  /** Runs one step of waiting for a cold model and counts its time. */
  async held(step: () => Promise<unknown>): Promise<void> {
    const before = this.#now();
    await step();
    this.#holdLeftMs -= this.#now() - before;
  }
}
