// Carries a lease's messages to the object and its answers back. A Worker's promises live in the request that began
// them: that request may end, so whoever waits has its own timer and takes an exchange over that does not come back.
// The message is the same then; the object applies it once.

import type { KeyLease } from "./key-lease.ts";
import type { AccountStub, SyncAnswer } from "../ledger/types.ts";

/** Time, passed in. `nowMs` never goes back. */
export interface Clock {
  nowMs(): number;
  /** Resolves after `ms`; `cancel` lets it go earlier. */
  sleep(ms: number): { readonly done: Promise<void>; readonly cancel: () => void };
}

type WaitUntil = (work: Promise<unknown>) => void;

/** An attempt that takes longer than this is taken over by whoever waits. */
const TAKEOVER_MS = 3000;
/** Pause after an attempt that failed, times the failures so far. */
const RETRY_MS = 50;
/** A report due later than this is left to a later call: a Worker should not wait so long after its answer. */
const FLUSH_HORIZON_MS = 2500;
/** The longest that a caller waits for the object, all attempts together. */
const PATIENCE_MS = 8000;

const NO_TIMER = -Infinity;

export class LeaseDriver {
  readonly lease: KeyLease;
  private readonly stub: () => AccountStub;
  private readonly clock: Clock;
  private running: { readonly exchange: Promise<void>; readonly sinceMs: number } | undefined;
  private failures = 0;
  private flushAtMs = NO_TIMER;

  constructor(lease: KeyLease, stub: () => AccountStub, clock: Clock) {
    this.lease = lease;
    this.stub = stub;
    this.clock = clock;
  }

  /** Waits until a message composed after this call has been answered; false on timeout. */
  async roundTrip(waitUntil: WaitUntil, close = false): Promise<boolean> {
    const { lease, clock } = this;
    const wanted = lease.composed + 1;
    const endMs = clock.nowMs() + PATIENCE_MS;
    while (lease.answered < wanted) {
      if (lease.closed) return true;
      const nowMs = clock.nowMs();
      if (nowMs >= endMs) return false;
      if (this.running === undefined || nowMs - this.running.sinceMs >= TAKEOVER_MS) this.start(waitUntil, close);
      if (this.running !== undefined) await this.waitFor(this.running.exchange, TAKEOVER_MS);
    }
    return true;
  }

  /** Reports everything spent so far and waits for the answers; the first message of a lease reports nothing. */
  async report(waitUntil: WaitUntil): Promise<void> {
    const { lease } = this;
    if (!lease.hasUnsent || lease.closed) return;
    const isAnswered = await this.roundTrip(waitUntil);
    if (isAnswered && lease.hasBegun && lease.hasUnsent) await this.roundTrip(waitUntil);
  }

  /** Reports in the background when it is due; one timer serves all calls of the window. */
  flushLater(waitUntil: WaitUntil): void {
    const nowMs = this.clock.nowMs();
    const dueAtMs = this.lease.dueAtMs(nowMs);
    if (dueAtMs === undefined || dueAtMs > nowMs + FLUSH_HORIZON_MS) return;
    const urgent = dueAtMs <= nowMs;
    if (!urgent && this.flushAtMs >= nowMs && this.flushAtMs <= dueAtMs) return;
    if (urgent && this.running !== undefined && nowMs - this.running.sinceMs < TAKEOVER_MS) {
      waitUntil(this.flushAfter(this.running.exchange));
      return;
    }
    this.flushAtMs = Math.max(nowMs, dueAtMs);
    waitUntil(this.flushAfter(this.clock.sleep(Math.max(0, dueAtMs - nowMs)).done));
  }

  private async flushAfter(before: Promise<void>): Promise<void> {
    await before;
    const nowMs = this.clock.nowMs();
    // Nobody may rely any more on a timer that has run: what comes in this very millisecond is not told by it.
    if (this.flushAtMs <= nowMs) this.flushAtMs = NO_TIMER;
    const dueAtMs = this.lease.dueAtMs(nowMs);
    if (dueAtMs === undefined || dueAtMs > nowMs + FLUSH_HORIZON_MS) return;
    if (dueAtMs <= nowMs) {
      if (await this.roundTrip(() => undefined)) await this.tellRest();
      return;
    }
    // What was due has been told meanwhile, and a later call relied on this timer for what it spent; or it woke early.
    this.flushAtMs = dueAtMs;
    await this.flushAfter(this.clock.sleep(dueAtMs - nowMs).done);
  }

  /** What is still due behind the first message of a new lease. */
  private async tellRest(): Promise<void> {
    const { lease, clock } = this;
    const dueAtMs = lease.hasBegun ? lease.dueAtMs(clock.nowMs()) : undefined;
    if (dueAtMs !== undefined && dueAtMs <= clock.nowMs()) await this.roundTrip(() => undefined);
  }

  private start(waitUntil: WaitUntil, close: boolean): void {
    const exchange = this.exchange(close).finally(() => {
      if (this.running === running) this.running = undefined;
    });
    const running = { exchange, sinceMs: this.clock.nowMs() };
    this.running = running;
    waitUntil(exchange);
  }

  private async exchange(close: boolean): Promise<void> {
    const { lease, clock } = this;
    if (this.failures > 0) await clock.sleep(Math.min(RETRY_MS * this.failures, TAKEOVER_MS / 2)).done;
    const message = lease.compose(clock.nowMs(), close);
    let answer: SyncAnswer;
    try {
      answer = await this.stub().sync(message);
    } catch {
      // Lost on the way, or the object was restarted: the same message goes out again, and is applied once.
      this.failures += 1;
      return;
    }
    this.failures = 0;
    lease.receive(message, answer, clock.nowMs());
  }

  private async waitFor(exchange: Promise<void>, ms: number): Promise<void> {
    const timer = this.clock.sleep(ms);
    await Promise.race([exchange, timer.done]);
    timer.cancel();
  }
}
