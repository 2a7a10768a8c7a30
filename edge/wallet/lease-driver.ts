// Carries a lease's messages to the object and the answers back. A Worker's promise dies with the request that made it,
// so every call that waits has a timer of its own, and takes over an exchange that does not come back. It sends the
// same message again; the object applies it once.

import type { CallTimer } from "../lib/call-timer.ts";
import type { KeyLease } from "./key-lease.ts";
import type { AccountStub, SyncAnswer } from "../ledger/types.ts";

/** Time, passed in. `nowMs` never goes back. */
export interface Clock {
  nowMs(): number;
  /** `done` resolves after `ms`, or when `cancel` is called. */
  sleep(ms: number): { readonly done: Promise<void>; readonly cancel: () => void };
}

type WaitUntil = (work: Promise<unknown>) => void;

/** A call that has waited this long for another's attempt makes one itself. */
const TAKEOVER_MS = 3000;
/** Pause before a retry, times the failures so far. */
const RETRY_MS = 50;
/** A report that is due later than this is left to a later call: a Worker should not live so long after its answer. */
const FLUSH_HORIZON_MS = 2500;
/** The longest wait of one caller for the object, all attempts together. */
const PATIENCE_MS = 8000;

const NO_TIMER = -Infinity;

type CallsTimer = Pick<CallTimer, "after">;

/** Resolves when `exchange` has ended, which never rejects, or after `ms`. */
function untilEnd(exchange: Promise<void>, ms: number, timer: CallsTimer): Promise<void> {
  return new Promise((resolve) => {
    const stop = timer.after(ms, resolve);
    const end = (): void => {
      stop();
      resolve();
    };
    void exchange.then(end);
  });
}

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

  /**
   * Waits until message `wanted` has been answered; without it, the next one to be composed. False on timeout. `timer`: the
   * call's own, if a call waits.
   */
  async roundTrip(
    waitUntil: WaitUntil,
    close = false,
    wanted = this.lease.composed + 1,
    timer?: CallsTimer,
  ): Promise<boolean> {
    const { lease, clock } = this;
    const endMs = clock.nowMs() + PATIENCE_MS;
    while (lease.answered < wanted) {
      if (lease.closed) return true;
      const nowMs = clock.nowMs();
      if (nowMs >= endMs) return false;
      if (!this.isUnderWay(nowMs)) this.start(waitUntil, close);
      if (this.running !== undefined) await this.waitFor(this.running.exchange, TAKEOVER_MS, timer);
    }
    return true;
  }

  /** Reports everything spent so far and waits for the answers; the first message of a lease reports nothing. */
  async report(waitUntil: WaitUntil): Promise<void> {
    const { lease } = this;
    if (!lease.hasUnsent || lease.closed) return;
    lease.unreported.hurry();
    const isAnswered = await this.roundTrip(waitUntil);
    if (isAnswered && lease.hasBegun && lease.hasUnsent) await this.roundTrip(waitUntil);
  }

  /** Reports in the background when it is due; one timer serves all calls of the window. */
  flushLater(waitUntil: WaitUntil): void {
    const flush = this.nextFlush();
    if (flush !== undefined) waitUntil(flush);
  }

  /** Undefined: nothing is due soon, or another call's flush comes in time. */
  private nextFlush(): Promise<void> | undefined {
    const nowMs = this.clock.nowMs();
    const dueAtMs = this.dueAtMs(nowMs);
    if (dueAtMs === undefined || dueAtMs > nowMs + FLUSH_HORIZON_MS) return undefined;
    const isUrgent = dueAtMs <= nowMs;
    if (!isUrgent && this.flushAtMs >= nowMs && this.flushAtMs <= dueAtMs) return undefined;
    if (isUrgent && this.running !== undefined && this.isUnderWay(nowMs)) return this.flushAfter(this.running.exchange);
    this.flushAtMs = Math.max(nowMs, dueAtMs);
    return this.flushAfter(this.clock.sleep(Math.max(0, dueAtMs - nowMs)).done);
  }

  private async flushAfter(before: Promise<void>): Promise<void> {
    await before;
    const nowMs = this.clock.nowMs();
    // This timer has fired, so later calls must set another: usage of this very millisecond may miss its report.
    if (this.flushAtMs <= nowMs) this.flushAtMs = NO_TIMER;
    const dueAtMs = this.dueAtMs(nowMs);
    if (dueAtMs !== undefined && dueAtMs <= nowMs) {
      if (await this.roundTrip(() => undefined)) await this.tellRest();
      return;
    }
    // The report may be on its way in a message whose sender ends before the answer: this call waits for it as well.
    await this.roundTrip(() => undefined, false, this.lease.composed);
    // A later call relied on this timer for its usage. Or the timer woke early.
    await this.nextFlush();
  }

  /**
   * Calls that wait for an answer send the message they need themselves: while one is on its way, only usage makes another
   * due. Otherwise each refused call would send one more.
   */
  private dueAtMs(nowMs: number): number | undefined {
    return this.isUnderWay(nowMs) ? this.lease.nextDueAtMs(nowMs) : this.lease.dueAtMs(nowMs);
  }

  /** Whether an exchange runs that nobody need take over yet. */
  private isUnderWay(nowMs: number): boolean {
    return this.running !== undefined && nowMs - this.running.sinceMs < TAKEOVER_MS;
  }

  /** The first message of a lease reports nothing: what was due goes with the second. */
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
      // Lost on the way, or the object restarted: the same message is sent again, and is applied once.
      this.failures += 1;
      return;
    }
    this.failures = 0;
    lease.receive(message, answer, clock.nowMs());
  }

  private async waitFor(exchange: Promise<void>, ms: number, timer: CallsTimer | undefined): Promise<void> {
    if (timer !== undefined) return untilEnd(exchange, ms, timer);
    const pause = this.clock.sleep(ms);
    await Promise.race([exchange, pause.done]);
    pause.cancel();
  }
}
