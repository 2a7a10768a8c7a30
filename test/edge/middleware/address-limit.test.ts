// How often one address may try, on a clock that the test moves.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { AddressLimit } from "../../../edge/lib/address-limit.ts";
import { ApiError } from "../../../shared/errors.ts";

const MINUTE_MS = 60_000;

/** How long the refusal says to wait; undefined: it was let through. */
function waitS(limit: AddressLimit, address: string): number | undefined {
  try {
    limit.take(address);
    return undefined;
  } catch (error) {
    return error instanceof ApiError ? error.fault.retryAfterS : Number.NaN;
  }
}

const tries = (limit: AddressLimit, address: string) => waitS(limit, address) === undefined;

test("over any time an address gets its allowance once and its rate, whatever it tries", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.nat({ max: 20_000 }), { maxLength: 200 }),
      (rate, waits) => {
        let nowMs = 1_000_000;
        const limit = new AddressLimit(rate, () => nowMs);
        let passed = 0;
        for (const waitMs of waits) {
          nowMs += waitMs;
          if (tries(limit, "a")) passed += 1;
        }
        expect(passed).toBeLessThanOrEqual(rate + ((nowMs - 1_000_000) * rate) / MINUTE_MS + 1e-6);
      },
    ),
  );
});

test("an address that rests gets its whole allowance again, and no more", () => {
  let nowMs = 0;
  const limit = new AddressLimit(10, () => nowMs);
  const burst = () => Array.from({ length: 20 }, () => tries(limit, "a")).filter(Boolean).length;
  expect(burst()).toBe(10);
  nowMs += MINUTE_MS * 10;
  expect(burst()).toBe(10);
  nowMs += MINUTE_MS / 10;
  expect(burst()).toBe(1);
});

test("a subscriber's IPv6 addresses are one network, and other networks are others", () => {
  const limit = new AddressLimit(10, () => 0);
  const passed = Array.from({ length: 200 }, (_, index) => tries(limit, `2001:db8:1:2:${index}::1`)).filter(Boolean);
  expect(passed.length).toBe(10);
  expect(tries(limit, "2001:db8:1:2::")).toBe(false);
  expect(tries(limit, "2001:db8:1:3::1")).toBe(true);
  for (let index = 0; index < 10; index += 1) limit.count("192.0.2.1");
  expect([tries(limit, "192.0.2.1"), tries(limit, "::ffff:192.0.2.1"), tries(limit, "192.0.2.2")]).toEqual([
    false,
    false,
    true,
  ]);
});

test("a refusal says how long to wait, truly, and counts nothing", () => {
  let nowMs = 0;
  const limit = new AddressLimit(10, () => nowMs);
  for (let index = 0; index < 10; index += 1) limit.take("a");
  expect([waitS(limit, "a"), waitS(limit, "a"), waitS(limit, "a")]).toEqual([6, 6, 6]);
  nowMs += 6000;
  expect(waitS(limit, "a")).toBeUndefined();
  expect(waitS(limit, "b")).toBeUndefined();
});
