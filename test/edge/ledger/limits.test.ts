// The rate bucket in whole numbers, and what leases do to it.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { RateBucket } from "../../../edge/ledger/rate-bucket.ts";

test("a full bucket gives exactly one minute of rate at once, then one unit per interval", () => {
  const bucket = new RateBucket([0, 0]);
  bucket.drain(0, 600, 0);
  expect(bucket.available(600)).toBe(600);
  bucket.take(600);
  expect(bucket.available(600)).toBe(0);
  bucket.drain(99, 600, 0);
  expect(bucket.available(600)).toBe(0);
  bucket.drain(100, 600, 0);
  expect(bucket.available(600)).toBe(1);
});

test("units that a lease holds do not refill", () => {
  const bucket = new RateBucket([0, 0]);
  bucket.take(100);
  bucket.drain(3_600_000, 600, 100);
  expect(bucket.available(600)).toBe(500);
  bucket.giveBack(40);
  expect(bucket.available(600)).toBe(540);
});

test("the stored form keeps the whole state: an evicted object forgets nothing", () => {
  const bucket = new RateBucket([0, 0]);
  bucket.take(600);
  const again = new RateBucket(JSON.parse(JSON.stringify(bucket.state)));
  again.drain(1000, 600, 0);
  expect(again.available(600)).toBe(10);
});

test("a clock that goes back frees no units", () => {
  const bucket = new RateBucket([0, 10_000]);
  bucket.take(600);
  bucket.drain(0, 600, 0);
  bucket.drain(10_100, 600, 0);
  expect(bucket.available(600)).toBe(1);
});

test("no window ever sees more than its rate and one burst", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1, max: 200 })), { maxLength: 60 }),
      (limit, tries) => {
        const bucket = new RateBucket([0, 0]);
        const taken: { atMs: number; units: number }[] = [];
        let nowMs = 0;
        for (const [pauseMs, wanted] of tries) {
          nowMs += pauseMs;
          bucket.drain(nowMs, limit, 0);
          const units = Math.min(wanted, bucket.available(limit));
          bucket.take(units);
          taken.push({ atMs: nowMs, units });
          for (const from of taken) {
            const inWindow = taken.filter(({ atMs }) => atMs >= from.atMs).reduce((sum, one) => sum + one.units, 0);
            expect(inWindow).toBeLessThanOrEqual(limit + ((nowMs - from.atMs) * limit) / 60_000);
          }
        }
      },
    ),
    { numRuns: 100 },
  );
});
