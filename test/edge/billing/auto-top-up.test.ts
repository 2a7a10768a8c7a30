// When an automatic top-up is made and for how much: pure, on a clock that is passed in.

import { describe, expect, test } from "vitest";
import { begin, declined, paid, postponed } from "../../../edge/billing/auto-top-up.ts";
import type { BillingState } from "../../../edge/billing/auto-top-up.ts";
import { nanoUsd } from "../../../shared/money.ts";

const usd = (amount: number) => nanoUsd(Math.round(amount * 1e9));
const NOW = { ms: 1_000_000, monthStartMs: 0 };
const STATE: BillingState = {
  terms: { thresholdNanoUsd: usd(10), targetNanoUsd: usd(50), monthlyCapNanoUsd: usd(100) },
  card: { customer: "cus_1", paymentMethod: "pm_1" },
};
const RECEIPT = { description: "Credit" };
const amountOf = (state: BillingState | undefined) => state?.attempt?.amountNanoUsd;

describe("a top-up", () => {
  test("begins below the threshold, never at it, and brings the balance to the target in whole cents", () => {
    expect(begin(STATE, usd(10), NOW, "1", RECEIPT)).toBeUndefined();
    expect(amountOf(begin(STATE, usd(9.999), NOW, "1", RECEIPT))).toBe(usd(40.01));
  });

  test("stays within the month's cap, and is not made for less than the least", () => {
    const once = paid(begin(STATE, usd(0), NOW, "1", RECEIPT) ?? {}, 0);
    expect(amountOf(begin(once, usd(0), NOW, "2", RECEIPT))).toBe(usd(50));
    const twice = paid(begin(once, usd(0), NOW, "2", RECEIPT) ?? {}, 0);
    expect(begin(twice, usd(0), NOW, "3", RECEIPT)).toBeUndefined();
    expect(amountOf(begin(twice, usd(0), { ms: 9, monthStartMs: 5 }, "3", RECEIPT))).toBe(usd(50));
  });

  test("is one at a time, keeps its key over every try, and ends before Stripe forgets the key", () => {
    let state = begin(STATE, usd(0), NOW, "1", RECEIPT) ?? {};
    const key = state.attempt?.key;
    expect(begin(state, usd(0), NOW, "2", RECEIPT)).toBeUndefined();
    for (let tries = 0; tries < 10; tries += 1) state = postponed(state, NOW.ms);
    expect(state.attempt).toMatchObject({ key, tries: 10, nextMs: NOW.ms + 7_200_000 });
    const late = postponed(state, NOW.ms + 21 * 3_600_000);
    expect(late.attempt).toBeUndefined();
    expect(late.disabledReason).toContain("20 hours");
  });

  test("that was declined is not tried again, and says why", () => {
    const off = declined(begin(STATE, usd(0), NOW, "1", RECEIPT) ?? {}, "card_declined");
    expect(off.disabledReason).toBe("card_declined");
    expect(begin(off, usd(0), NOW, "2", RECEIPT)).toBeUndefined();
  });

  test("needs terms and a card", () => {
    expect(begin({}, usd(0), NOW, "1", RECEIPT)).toBeUndefined();
    const { card: _card, ...withoutCard } = STATE;
    expect(begin(withoutCard, usd(0), NOW, "1", RECEIPT)).toBeUndefined();
  });
});
