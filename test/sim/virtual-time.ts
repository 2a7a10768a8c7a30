// Time that a scenario moves. Sleepers wake in order when it passes them, and time waits for every message that they
// cause. An hour of traffic takes a second.

import type { Clock } from "../../edge/wallet/lease-driver.ts";
import { SleepersClock } from "../support/sleepers.ts";
import type { Sleeper } from "../support/sleepers.ts";

/** Longer than any chain of promises between two sleeps or messages. */
const QUIET_TURNS = 24;

export class VirtualTime extends SleepersClock implements Clock {
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

  /** Moves time from sleeper to sleeper until `work` is done. */
  async until<Result>(work: Promise<Result>): Promise<Result> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    for (;;) {
      await this.quiet();
      if (isDone) return done;
      const next = [...this.sleepers].reduce<Sleeper | undefined>(earlier, undefined);
      if (next === undefined) throw new Error("nobody will wake what is waited for");
      await this.passTo(next.atMs);
    }
  }

  private async quiet(): Promise<void> {
    await Promise.resolve();
    while (this.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 0));
    for (let turn = 0; turn < QUIET_TURNS; turn += 1) await Promise.resolve();
    if (this.inFlight > 0) await this.quiet();
  }
}

function earlier(best: Sleeper | undefined, one: Sleeper): Sleeper {
  return best === undefined || one.atMs < best.atMs ? one : best;
}
