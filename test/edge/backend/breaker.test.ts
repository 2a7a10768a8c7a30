import { expect, it } from "vitest";
import {
  BREAKER_FAILURES,
  BREAKER_PAUSE_MS,
  BREAKER_PAUSE_MS_MAX,
  Breaker,
  PROBE_LIFE_MS,
} from "../../../edge/backend/breaker.ts";

function opened(): Breaker {
  const breaker = new Breaker();
  for (let failure = 0; failure < BREAKER_FAILURES; failure += 1) breaker.failure(0);
  return breaker;
}

it("opens after consecutive failures only", () => {
  const breaker = new Breaker();
  for (let round = 0; round < 10; round += 1) {
    breaker.failure(0);
    breaker.failure(0);
    breaker.success();
  }
  expect(breaker.admits(0)).toBe(true);
  expect(opened().admits(0)).toBe(false);
});

it("lets one probe through after its pause, and doubles the pause when that fails", () => {
  const breaker = opened();
  expect(breaker.admits(BREAKER_PAUSE_MS - 1)).toBe(false);
  expect(breaker.admits(BREAKER_PAUSE_MS)).toBe(true);
  breaker.begin(BREAKER_PAUSE_MS);
  expect(breaker.admits(BREAKER_PAUSE_MS + 1)).toBe(false);
  breaker.failure(BREAKER_PAUSE_MS + 2);
  expect(breaker.admits(BREAKER_PAUSE_MS * 3)).toBe(false);
  expect(breaker.admits(BREAKER_PAUSE_MS * 3 + 2)).toBe(true);
});

it("never pauses longer than its limit", () => {
  const breaker = opened();
  let nowMs = 0;
  for (let probe = 0; probe < 20; probe += 1) {
    nowMs += BREAKER_PAUSE_MS_MAX;
    expect(breaker.admits(nowMs)).toBe(true);
    breaker.begin(nowMs);
    breaker.failure(nowMs);
  }
});

it("forgets a probe that never reported, and one that its caller cancelled", () => {
  const breaker = opened();
  breaker.begin(BREAKER_PAUSE_MS);
  expect(breaker.admits(BREAKER_PAUSE_MS + PROBE_LIFE_MS)).toBe(false);
  expect(breaker.admits(BREAKER_PAUSE_MS + PROBE_LIFE_MS + 1)).toBe(true);
  breaker.inconclusive();
  expect(breaker.admits(BREAKER_PAUSE_MS)).toBe(true);
});
