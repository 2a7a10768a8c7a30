// One of the runtime's timers for everything that a call times: its body's arrival, its lease, its backend, its deadline.
// Hardly any of it ever happens, and each timer costs as much as twenty awaits (docs/performance.md).
// A timer lives in the request that sets it, so each call has its own.

/**
 * The runtime's first timer is never set for longer, and the others for no more than STEP_MS: what is due sooner and added
 * later would need another. Nothing that a call times is due sooner than this (edge/metering/metered-call.ts listens from
 * then on), and most calls have ended.
 */
const FIRST_STEP_MS = 50;
const STEP_MS = 5000;

interface Pending {
  readonly dueMs: number;
  /** Undefined once it has rung or is not wanted any more. */
  ring: (() => void) | undefined;
}

function wake(ring: () => void, ms: number): void {
  setTimeout(ring, ms);
}

export class CallTimer {
  readonly #now: () => number;
  readonly #set: (ring: () => void, ms: number) => unknown;
  /** A handful: what is over stays until the timer rings. */
  #pending: Pending[] = [];
  #setForMs = Infinity;
  #stepMs = FIRST_STEP_MS;

  constructor(now: () => number = Date.now, set: (ring: () => void, ms: number) => unknown = wake) {
    this.#now = now;
    this.#set = set;
  }

  /** Calls `ring` once after `ms`, unless the function that is returned is called before. */
  after(ms: number, ring: () => void): () => void {
    const nowMs = this.#now();
    const one: Pending = { dueMs: nowMs + ms, ring };
    this.#pending.push(one);
    this.#setFor(one.dueMs, nowMs);
    return () => {
      one.ring = undefined;
    };
  }

  /** Nothing is cleared: a timer that rings for nobody costs less, and ends with its request at the latest. */
  #setFor(dueMs: number, nowMs: number): void {
    const atMs = Math.min(dueMs, nowMs + this.#stepMs);
    if (this.#setForMs <= atMs) return;
    this.#setForMs = atMs;
    this.#set(() => this.#ring(atMs), Math.max(0, atMs - nowMs));
  }

  #ring(atMs: number): void {
    // An earlier one was set meanwhile, and looks after the rest.
    if (atMs !== this.#setForMs) return;
    this.#setForMs = Infinity;
    this.#stepMs = STEP_MS;
    const nowMs = Math.max(atMs, this.#now());
    const due = this.#pending.filter(({ dueMs }) => dueMs <= nowMs);
    this.#pending = this.#pending.filter(({ dueMs, ring }) => dueMs > nowMs && ring !== undefined);
    for (const one of due) {
      const { ring } = one;
      one.ring = undefined;
      ring?.();
    }
    for (const { dueMs } of this.#pending) this.#setFor(dueMs, nowMs);
  }
}
