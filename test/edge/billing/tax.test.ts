// With tax turned on: Stripe adds it on its page, and none of it becomes credit, on the way in or back.

import { env, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AccountObject } from "../../../edge/account/account.ts";
import { must } from "../../../shared/assert.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { PayingWorld, stubOf } from "./paying-world.ts";

const TAX_ON = { STRIPE_AUTOMATIC_TAX: "true" };
const world = new PayingWorld(TAX_ON);
beforeEach(() => world.begin());
afterEach(() => vi.restoreAllMocks());

async function paidWithTax(usd: number, percent: number) {
  const account = await world.api.newAccount();
  await world.api.call("/v1/top-ups", { key: account.key, body: { amount_usd: usd } });
  const payment = world.stripe.payCheckout(percent);
  await world.deliver("payment_intent.succeeded", payment);
  return { ...account, payment: payment.id };
}

test("a top-up asks Stripe for tax on top of its price, and for the buyer's tax id", async () => {
  const { key } = await world.api.newAccount();
  await world.api.call("/v1/top-ups", { key, body: { amount_usd: 20 } });
  expect(Object.fromEntries(must(world.stripe.forms[0], "form"))).toMatchObject({
    "automatic_tax[enabled]": "true",
    "tax_id_collection[enabled]": "true",
    "line_items[0][price_data][unit_amount]": "2000",
    "line_items[0][price_data][tax_behavior]": "exclusive",
  });
});

test("a payment of $23.80 for $20 brings $20", async () => {
  const account = await paidWithTax(20, 19);
  expect(world.stripe.payments.get(account.payment)?.amount_received).toBe(2380);
  expect(await world.stateOf(account)).toMatchObject({ balance: 25 });
});

test("refunds and disputes outside take the credit's share of their money, and all of it in the end", async () => {
  const account = await paidWithTax(20, 19);
  world.stripe.newRefund(account.payment, 238);
  await world.deliverAll();
  expect(await world.stateOf(account)).toMatchObject({ balance: 23, refunded: 2 });
  world.stripe.newRefund(account.payment, 2142);
  await world.deliverAll("backwards");
  expect(await world.stateOf(account)).toMatchObject({ balance: 5, refunded: 20, receivable: 0, status: "active" });
  const disputed = await paidWithTax(20, 19);
  const dispute = { id: "dp_1", amount: 2380, currency: "usd", payment_intent: disputed.payment, status: "won" };
  await world.deliver("charge.dispute.funds_withdrawn", dispute);
  expect(await world.stateOf(disputed)).toMatchObject({ balance: 5, status: "active" });
  await world.deliver("charge.dispute.funds_reinstated", dispute);
  expect(await world.stateOf(disputed)).toMatchObject({ balance: 25 });
});

test.each(["2001", "0", "-5", "1.5", "many"])(
  "a payment of 2000 cents that says it is %s cents of credit is refused",
  async (cents) => {
    const { id } = await world.api.newAccount();
    const payment = world.stripe.newPayment(id, 2000, undefined, { credit_cents: cents });
    await world.deliver("payment_intent.succeeded", payment, 400);
    expect((await world.api.admin(`/admin/accounts/${id}`)).body["balance_usd"]).toBe("5");
  },
);

describe("automatic top-ups, which have no page to add tax on,", () => {
  const terms = { threshold_usd: 10, target_usd: 30, monthly_cap_usd: 100 };

  test("are not offered, and those that were set up say why they rest", async () => {
    const { id, key } = await world.api.newAccount();
    const put = await world.api.call("/v1/auto-top-up", { method: "PUT", key, body: terms });
    expect(put).toMatchObject({ status: 404, body: { error: { code: "payments_not_offered" } } });
    await runInDurableObject(stubOf(id), (_, state) => {
      const usd = (amount: number) => nanoUsd(amount * 1e9);
      const object = new AccountObject(state, { ...env, ...TAX_ON });
      object.rememberCard({ customer: "cus_1", paymentMethod: "pm_1" });
      const of = { thresholdNanoUsd: usd(10), targetNanoUsd: usd(30), monthlyCapNanoUsd: usd(100) };
      object.setAutoTopUp(of, "test");
      expect(object.billing()).toMatchObject({ terms: of });
      expect(object.billing()).not.toHaveProperty("attempt");
    });
    await world.crash(id); // the object that served the call above has read the terms of then
    const { body } = await world.api.call("/v1/auto-top-up", { key });
    expect(body).toMatchObject({ enabled: false, disabled_reason: expect.stringContaining("tax is added") as string });
  });
});
