// How hard a job asks, against a server on a clock of its own: so many texts at a time, each as long as it takes.

import { expect, test } from "vitest";
import { Pace } from "../../../scripts/embed/pace.ts";

interface Server {
  /** Requests that it computes at a time. */
  readonly lanes: number;
  /** Bytes a millisecond of one lane. */
  readonly speed: number;
  /** There and back. */
  readonly wayMs: number;
}

/** Bytes a millisecond that a job gets from `server` in its second minute. */
function rateOf(server: Server, max = 64): { rate: number; pace: Pace } {
  const pace = new Pace(max);
  const free = Array.from({ length: server.lanes }, () => 0);
  const flying: { sentMs: number; doneMs: number; text: number }[] = [];
  let [nowMs, bytes] = [0, 0];
  while (nowMs < 120_000) {
    while (flying.length < pace.concurrency) {
      const text = pace.textTarget;
      const lane = free.indexOf(Math.min(...free));
      const startMs = Math.max(free[lane] ?? 0, nowMs + server.wayMs / 2);
      free[lane] = startMs + text / server.speed;
      flying.push({ sentMs: nowMs, doneMs: (free[lane] ?? 0) + server.wayMs / 2, text });
    }
    flying.sort((left, right) => left.doneMs - right.doneMs);
    const done = flying.shift();
    if (done === undefined) break;
    nowMs = done.doneMs;
    if (nowMs > 60_000) bytes += done.text;
    pace.answered(done.text, done.sentMs, nowMs);
  }
  return { rate: bytes / 60_000, pace };
}

test.each<[string, Server]>([
  ["one slow lane (a CPU)", { lanes: 1, speed: 10, wayMs: 2 }],
  ["one fast lane far away (a GPU)", { lanes: 1, speed: 2000, wayMs: 150 }],
  ["eight lanes", { lanes: 8, speed: 100, wayMs: 50 }],
  ["twenty fast lanes far away", { lanes: 20, speed: 300, wayMs: 200 }],
])("%s gives a job at least nine tenths of what it can do", (_, server) => {
  expect(rateOf(server).rate / (server.lanes * server.speed)).toBeGreaterThan(0.9);
});

test("it asks for no more at a time than helps", () => {
  const { pace } = rateOf({ lanes: 1, speed: 10, wayMs: 2 });
  expect(pace.concurrency).toBeLessThan(8);
  expect(rateOf({ lanes: 20, speed: 300, wayMs: 200 }, 3).pace.concurrency).toBeLessThanOrEqual(3);
});

test("after a refusal it is asked for half as much at a time, once for all that were in flight, never for nothing", () => {
  const { pace } = rateOf({ lanes: 8, speed: 100, wayMs: 50 });
  const before = pace.concurrency;
  for (let turn = 0; turn < 5; turn += 1) pace.refused(1000 + turn, 2000);
  expect(pace.concurrency).toBe(Math.floor(before / 2));
  expect(pace.pausedUntilMs).toBe(3004);
  for (let turn = 1; turn < 20; turn += 1) pace.refused(10_000 * turn, 2000);
  expect(pace.concurrency).toBe(1);
});

test("a request that was too large makes the next ones smaller than half of it", () => {
  const pace = new Pace(4);
  pace.tooLarge(6_000);
  expect(pace.textTarget).toBe(3_000);
  pace.tooLarge(2);
  expect(pace.textTarget).toBeGreaterThan(0);
});
