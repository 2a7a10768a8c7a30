// Books: the order of grants, expiry of leased credit, refunds above the balance.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Books, NO_TOTALS } from "../../../edge/ledger/books.ts";
import type { GrantKind } from "../../../edge/ledger/storage.ts";
import { nanoUsd } from "../../../shared/money.ts";

const GRACE_MS = 140_000;

function books(...grants: [GrantKind, number, number?][]): Books {
  const made = new Books({ ...NO_TOTALS }, []);
  for (const [at, [kind, value, expiresAtMs]] of grants.entries()) made.add(kind, nanoUsd(value), at, expiresAtMs);
  return made;
}

test("gifts are spent before paid credit, and credit that expires sooner before other credit", () => {
  const made = books(["paid", 100], ["free", 50], ["promo", 30, 9000], ["promo", 20, 5000]);
  made.charge(nanoUsd(45));
  expect(made.grants.map(({ kind, remaining }) => [kind, remaining])).toEqual([
    ["promo", 5],
    ["free", 50],
    ["paid", 100],
  ]);
});

test("the free part of a grant expires at once, the held part when its lease ends", () => {
  const made = books(["promo", 100, 1000], ["paid", 500]);
  expect(made.expire(1000, nanoUsd(60), GRACE_MS)).toBe(40);
  expect(made.balance).toBe(560);
  expect(made.lasting(1000)).toBe(500);
  expect(made.expire(2000, nanoUsd(60), GRACE_MS)).toBe(0);
  made.charge(nanoUsd(25)); // the lease spends a part
  expect(made.expire(3000, nanoUsd(0), GRACE_MS)).toBe(35);
  expect(made.balance).toBe(500);
});

test("leases made after the expiry do not keep expired credit alive", () => {
  const made = books(["promo", 100, 1000], ["paid", 500]);
  made.expire(1000, nanoUsd(30), GRACE_MS);
  expect(made.expire(2000, nanoUsd(10), GRACE_MS)).toBe(20);
  expect(made.expire(3000, nanoUsd(400), GRACE_MS)).toBe(0);
  expect(made.expire(1000 + GRACE_MS, nanoUsd(400), GRACE_MS)).toBe(10);
  expect(made.balance).toBe(500);
});

test("a refund above the free credit takes that now, and the rest as credit comes free", () => {
  const made = books(["paid", 100]);
  expect(made.refund(nanoUsd(150), nanoUsd(40))).toBe(60);
  expect(made.totals.receivableNanoUsd).toBe(90);
  expect(made.collect(nanoUsd(0))).toBe(40);
  expect(made.balance).toBe(0);
  made.add("paid", nanoUsd(80), 9);
  expect(made.collect(nanoUsd(0))).toBe(50);
  expect(made.totals.receivableNanoUsd).toBe(0);
  expect(made.balance).toBe(30);
});

test("a refund takes paid credit before gifts", () => {
  const made = books(["free", 50], ["paid", 100]);
  made.refund(nanoUsd(120), nanoUsd(0));
  expect(made.grants.map(({ kind, remaining }) => [kind, remaining])).toEqual([["free", 30]]);
});

test("a charge above the balance fails an assertion", () => {
  expect(() => books(["free", 10]).charge(nanoUsd(11))).toThrow("never passes the balance");
});

test("the balance always equals the totals and what the grants hold", () => {
  const event = fc.oneof(
    fc.record({
      kind: fc.constant("add" as const),
      value: fc.integer({ min: 1, max: 1000 }),
      expires: fc.option(fc.integer({ min: 0, max: 50 })),
    }),
    fc.record({ kind: fc.constant("charge" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ kind: fc.constant("expire" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ kind: fc.constant("refund" as const), value: fc.integer({ min: 1, max: 1500 }) }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      const made = books();
      for (const [now, one] of events.entries()) {
        if (one.kind === "add") made.add("promo", nanoUsd(one.value), now, one.expires ?? undefined);
        else if (one.kind === "charge") made.charge(nanoUsd(Math.floor(made.balance * one.share)));
        else if (one.kind === "expire") made.expire(now, nanoUsd(Math.floor(made.balance * one.share)), 10);
        else made.refund(nanoUsd(one.value), nanoUsd(0));
        expect(made.grants.reduce((sum, { remaining }) => sum + remaining, 0)).toBe(made.balance);
      }
    }),
    { numRuns: 200 },
  );
});
