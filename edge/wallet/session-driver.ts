// Carries a session's messages to the object and its answers back. A Worker's promises live in the request that began
// them: that request may end, so whoever waits has its own timer and takes an exchange over that does not come back.
// The message is the same then; the object applies it once.

import type { LeaseSession } from "./lease-session.ts";
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

export class SessionDriver {
  readonly session: LeaseSession;
  private readonly stub: () => AccountStub;
  private readonly clock: Clock;
  private running: { readonly exchange: Promise<void>; readonly sinceMs: number } | undefined;
  private failures = 0;
  private flushAtMs = NO_TIMER;

  constructor(session: LeaseSession, stub: () => AccountStub, clock: Clock) {
    this.session = session;
    this.stub = stub;
    this.clock = clock;
  }

  /** Waits until a message composed after this call has been answered; false on timeout. */
  async roundTrip(waitUntil: WaitUntil, close = false): Promise<boolean> {
    const { session, clock } = this;
    const wanted = session.composed + 1;
    const endMs = clock.nowMs() + PATIENCE_MS;
    while (session.answered < wanted) {
      if (session.closed) return true;
      const nowMs = clock.nowMs();
      if (nowMs >= endMs) return false;
      if (this.running === undefined || nowMs - this.running.sinceMs >= TAKEOVER_MS) this.start(waitUntil, close);
      if (this.running !== undefined) await this.waitFor(this.running.exchange, TAKEOVER_MS);
    }
    return true;
  }

  /** Reports everything spent so far and waits for the answers; the first message of a session reports nothing. */
  async report(waitUntil: WaitUntil): Promise<void> {
    const { session } = this;
    if (!session.hasUnsent || session.closed) return;
    const isAnswered = await this.roundTrip(waitUntil);
    if (isAnswered && session.hasBegun && session.hasUnsent) await this.roundTrip(waitUntil);
  }

  /** Reports in the background when it is due; one timer serves all calls of the window. */
  flushLater(waitUntil: WaitUntil): void {
    const nowMs = this.clock.nowMs();
    const dueAtMs = this.session.dueAtMs(nowMs);
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
    const dueAtMs = this.session.dueAtMs(nowMs);
    if (dueAtMs === undefined || dueAtMs > nowMs + FLUSH_HORIZON_MS) return;
    if (dueAtMs <= nowMs) {
      if (await this.roundTrip(() => undefined)) await this.tellRest();
      return;
    }
    // What was due has been told meanwhile, and a later call relied on this timer for what it spent; or it woke early.
    this.flushAtMs = dueAtMs;
    await this.flushAfter(this.clock.sleep(dueAtMs - nowMs).done);
  }

  /** What is still due behind the first message of a new session. */
  private async tellRest(): Promise<void> {
    const { session, clock } = this;
    const dueAtMs = session.hasBegun ? session.dueAtMs(clock.nowMs()) : undefined;
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
    const { session, clock } = this;
    if (this.failures > 0) await clock.sleep(Math.min(RETRY_MS * this.failures, TAKEOVER_MS / 2)).done;
    const message = session.compose(clock.nowMs(), close);
    let answer: SyncAnswer;
    try {
      answer = await this.stub().sync(message);
    } catch {
      // Lost on the way, or the object was restarted: the same message goes out again, and is applied once.
      this.failures += 1;
      return;
    }
    this.failures = 0;
    session.receive(message, answer, clock.nowMs());
  }

  private async waitFor(exchange: Promise<void>, ms: number): Promise<void> {
    const timer = this.clock.sleep(ms);
    await Promise.race([exchange, timer.done]);
    timer.cancel();
  }
}
