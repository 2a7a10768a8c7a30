// Time that a scenario moves: sleepers wake in order when it passes them, and every message that they cause is waited
// for before time goes on. An hour of traffic takes a second.

import type { Clock } from "../../../../edge/account/session-driver.ts";

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export class VirtualTime implements Clock {
  private now: number;
  private readonly sleepers = new Set<Sleeper>();
  private inFlight = 0;

  constructor(startMs: number) {
    this.now = startMs;
  }

  nowMs(): number {
    return this.now;
  }

  sleep(ms: number): { readonly done: Promise<void>; readonly cancel: () => void } {
    let wake = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const sleeper: Sleeper = { atMs: this.now + ms, wake };
    this.sleepers.add(sleeper);
    return {
      done,
      cancel: () => {
        this.sleepers.delete(sleeper);
        wake();
      },
    };
  }

  /** Counts `call` as in flight: time waits for it. */
  async during<Result>(call: Promise<Result>): Promise<Result> {
    this.inFlight += 1;
    try {
      return await call;
    } finally {
      this.inFlight -= 1;
    }
  }

  /** Moves time to `atMs`, stopping at every sleeper on the way. */
  async passTo(atMs: number): Promise<void> {
    for (;;) {
      await this.quiet();
      const next = [...this.sleepers].reduce<Sleeper | undefined>(earlier, undefined);
      if (next === undefined || next.atMs > atMs) break;
      this.now = Math.max(this.now, next.atMs);
      this.sleepers.delete(next);
      next.wake();
    }
    this.now = Math.max(this.now, atMs);
  }

  private async quiet(): Promise<void> {
    await Promise.resolve();
    while (this.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 0));
    for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
    if (this.inFlight > 0) await this.quiet();
  }
}

function earlier(best: Sleeper | undefined, one: Sleeper): Sleeper {
  return best === undefined || one.atMs < best.atMs ? one : best;
}
