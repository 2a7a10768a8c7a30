// The one timer of a call, over a clock that the test moves.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CallTimer } from "../../../edge/lib/call-timer.ts";

/** Stands in for the runtime: its timers ring in the order of their times, each at its own. */
class Runtime {
  nowMs = 1000;
  count = 0;
  readonly #timers: { readonly atMs: number; readonly ring: () => void }[] = [];
  readonly timer = new CallTimer(
    () => this.nowMs,
    (ring, ms) => {
      this.count += 1;
      this.#timers.push({ atMs: this.nowMs + ms, ring });
    },
  );

  passUntil(endMs: number): void {
    for (;;) {
      this.#timers.sort((a, b) => a.atMs - b.atMs);
      const [first] = this.#timers;
      if (first === undefined || first.atMs > endMs) break;
      this.#timers.shift();
      this.nowMs = first.atMs;
      first.ring();
    }
    this.nowMs = endMs;
  }
}

test("everything rings once, at its time, unless it was taken back before", () => {
  const step = fc.record({
    passMs: fc.integer({ min: 0, max: 4000 }),
    afterMs: fc.integer({ min: 0, max: 12_000 }),
    takenBackAfterMs: fc.option(fc.integer({ min: 0, max: 12_000 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const runtime = new Runtime();
      const rung = new Map<number, number[]>();
      const expected = new Map<number, number[]>();
      const takingBack: { readonly atMs: number; readonly takeBack: () => void }[] = [];
      const passTo = (endMs: number): void => {
        for (const { atMs, takeBack } of takingBack.filter((one) => one.atMs > runtime.nowMs && one.atMs <= endMs)) {
          runtime.passUntil(atMs - 1);
          takeBack();
        }
        runtime.passUntil(endMs);
      };
      for (const [index, { passMs, afterMs, takenBackAfterMs }] of steps.entries()) {
        passTo(runtime.nowMs + passMs);
        const dueMs = runtime.nowMs + afterMs;
        const takeBack = runtime.timer.after(afterMs, () =>
          rung.set(index, [...(rung.get(index) ?? []), runtime.nowMs]),
        );
        if (takenBackAfterMs === 0) takeBack();
        else if (takenBackAfterMs !== undefined) takingBack.push({ atMs: runtime.nowMs + takenBackAfterMs, takeBack });
        takingBack.sort((a, b) => a.atMs - b.atMs);
        if (takenBackAfterMs === undefined || takenBackAfterMs > afterMs) expected.set(index, [dueMs]);
      }
      passTo(runtime.nowMs + 60_000);
      expect(rung).toEqual(expected);
    }),
  );
});

test("what a short call times takes one of the runtime's timers", () => {
  const runtime = new Runtime();
  const { timer } = runtime;
  const body = timer.after(30_000, () => expect.unreachable());
  body();
  const ends = [5000, 1000, 50, 60_000].map((ms) => timer.after(ms, () => expect.unreachable()));
  for (const end of ends) end();
  expect(runtime.count).toBe(1);
});

test("what rings may time something more", () => {
  const runtime = new Runtime();
  const rung: number[] = [];
  const again = (): void => {
    rung.push(runtime.nowMs);
    if (rung.length < 3) runtime.timer.after(7000, again);
  };
  runtime.timer.after(7000, again);
  runtime.passUntil(60_000);
  expect(rung).toEqual([8000, 15_000, 22_000]);
});
