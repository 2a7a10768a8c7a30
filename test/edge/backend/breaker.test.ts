import * as fc from "fast-check";
import { expect, it } from "vitest";
import {
  BREAKER_FAILURES,
  BREAKER_OTHERS,
  BREAKER_PAUSE_MS,
  BREAKER_PAUSE_MS_MAX,
  Breaker,
  PROBE_LIFE_MS,
} from "../../../edge/backend/breaker.ts";

const A = "account a";

function opened(): Breaker {
  const breaker = new Breaker();
  for (let failure = 0; failure < BREAKER_FAILURES; failure += 1) breaker.failure(A, 0);
  return breaker;
}

it("opens after consecutive failures only", () => {
  const breaker = new Breaker();
  for (let round = 0; round < 10; round += 1) {
    breaker.failure(A, 0);
    breaker.failure(A, 0);
    breaker.success();
  }
  expect(breaker.admits(A, 0)).toBe(true);
  expect(opened().admits(A, 0)).toBe(false);
});

it("lets one probe through after its pause, and doubles the pause when that fails", () => {
  const breaker = opened();
  expect(breaker.admits(A, BREAKER_PAUSE_MS - 1)).toBe(false);
  expect(breaker.admits(A, BREAKER_PAUSE_MS)).toBe(true);
  breaker.begin(A, BREAKER_PAUSE_MS);
  expect(breaker.admits(A, BREAKER_PAUSE_MS + 1)).toBe(false);
  breaker.failure(A, BREAKER_PAUSE_MS + 2);
  expect(breaker.admits(A, BREAKER_PAUSE_MS * 3)).toBe(false);
  expect(breaker.admits(A, BREAKER_PAUSE_MS * 3 + 2)).toBe(true);
});

it("never pauses longer than its limit", () => {
  const breaker = opened();
  let nowMs = 0;
  for (let probe = 0; probe < 20; probe += 1) {
    nowMs += BREAKER_PAUSE_MS_MAX;
    expect(breaker.admits(A, nowMs)).toBe(true);
    breaker.begin(A, nowMs);
    breaker.failure(A, nowMs);
  }
});

it("forgets a probe that never reported, and one that its caller cancelled", () => {
  const breaker = opened();
  breaker.begin(A, BREAKER_PAUSE_MS);
  expect(breaker.admits(A, BREAKER_PAUSE_MS + PROBE_LIFE_MS)).toBe(false);
  expect(breaker.admits(A, BREAKER_PAUSE_MS + PROBE_LIFE_MS + 1)).toBe(true);
  breaker.inconclusive();
  expect(breaker.admits(A, BREAKER_PAUSE_MS)).toBe(true);
});

it("is never shut to an account by the failures of one other, however many", () => {
  const events = fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 2 * BREAKER_PAUSE_MS_MAX })), { maxLength: 60 });
  fc.assert(
    fc.property(events, (all) => {
      const breaker = new Breaker();
      let nowMs = 0;
      for (const [fails, laterMs] of all) {
        nowMs += laterMs;
        if (breaker.admits(A, nowMs)) breaker.begin(A, nowMs);
        if (fails) breaker.failure(A, nowMs);
        else breaker.inconclusive();
        expect(breaker.admits("account b", nowMs)).toBe(true);
        expect(breaker.state).toBe("closed");
      }
    }),
  );
});

it("is shut to all once calls of several accounts fail", () => {
  const breaker = opened();
  for (let other = 0; other < BREAKER_OTHERS; other += 1) {
    expect(breaker.admits("account z", 0)).toBe(true);
    breaker.failure(`other ${other}`, 0);
  }
  expect([breaker.admits("account z", 0), breaker.state]).toEqual([false, "open"]);
  breaker.success();
  expect([breaker.admits("account z", 0), breaker.admits(A, 0), breaker.state]).toEqual([true, true, "closed"]);
});
