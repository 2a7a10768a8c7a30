// Money that comes in and goes back through Stripe: each payment, refund and dispute is one line in the ledger, however
// often and in which order its events arrive.

import { env, runDurableObjectAlarm } from "cloudflare:test";
import { beforeEach, describe, expect, test } from "vitest";
import { newId } from "../../../shared/ids.ts";
import { Api } from "../support/api.ts";
import { fetchOf } from "../support/fake-backends.ts";
import { FakeStripe, STRIPE_ORIGIN, signedEvent } from "../../support/fake-stripe.ts";

const api = new Api();
let stripe = new FakeStripe();
globalThis.fetch = (url, init) => {
  const address = url instanceof Request ? url.url : String(url);
  if (!address.startsWith(STRIPE_ORIGIN)) return fetchOf([api.backend])(address, init ?? {});
  return Promise.resolve().then(() => stripe.fetch(address, init ?? {}));
};
beforeEach(() => void (stripe = new FakeStripe()));

async function deliver(type: string, object: object): Promise<number> {
  const { body, headers } = await signedEvent(type, object);
  return (await api.call("/stripe/webhook", { body, headers })).status;
}

/** Balance, topped up, refunded, receivable in USD, the status, and the kinds of the statement, newest first. */
async function booksOf(account: { readonly id: string; readonly key: string }) {
  const { body } = await api.admin(`/admin/accounts/${account.id}`);
  const lines = (await api.call("/v1/transactions", { key: account.key })).body["data"] as
    | { kind: string }[]
    | undefined;
  const usd = (name: string) => Number(body[`${name}_nano_usd`]) / 1e9;
  return {
    balance: usd("balance"),
    toppedUp: usd("topped_up"),
    refunded: usd("refunded"),
    receivable: usd("receivable"),
    status: body["status"],
    kinds: lines?.map(({ kind }) => kind),
  };
}

describe("a top-up", () => {
  test("opens a page of Stripe's for whole cents, with the account in the payment's metadata", async () => {
    const { id, key } = await api.newAccount();
    const { status, body } = await api.call("/v1/top-ups", { key, body: { amount_usd: 20 } });
    expect(status).toBe(201);
    expect(body).toMatchObject({ url: "https://checkout.stripe.test/cs_1", amount_usd: "20", amount_nano_usd: 20e9 });
    const form = stripe.forms[0];
    expect(form?.get("line_items[0][price_data][unit_amount]")).toBe("2000");
    expect(form?.get("payment_intent_data[metadata][account_id]")).toBe(id);
    // Said, so that no default of the Stripe account adds any.
    expect(form?.get("automatic_tax[enabled]")).toBe("false");
    const payment = stripe.payCheckout(19);
    expect(payment).toMatchObject({ amount_received: 2000, metadata: { account_id: id, credit_cents: "2000" } });
  });

  test("comes with an invoice, and with a receipt where the account has an address", async () => {
    const { body: account } = await api.admin("/admin/accounts", { name: "Payer", email: "payer@example.com" });
    const { body } = await api.admin(`/admin/accounts/${String(account["id"])}/keys`, { scopes: ["account:write"] });
    await api.call("/v1/top-ups", { key: String(body["key"]), body: { amount_usd: 20 } });
    expect(Object.fromEntries(stripe.forms[0] ?? [])).toMatchObject({
      customer_email: "payer@example.com",
      "invoice_creation[enabled]": "true",
      "payment_intent_data[receipt_email]": "payer@example.com",
      "payment_intent_data[description]": "Embedding credit",
    });
  });

  test("of too little, too much or parts of a cent is refused, naming the field", async () => {
    const { key } = await api.newAccount();
    for (const amount of [1, 10_001, 5.001, -5, "many", null]) {
      const { status, text } = await api.call("/v1/top-ups", { key, body: { amount_usd: amount } });
      expect(status, String(amount)).toBe(400);
      expect(text).toContain('"param":"amount_usd"');
    }
    expect(stripe.forms).toEqual([]);
  });

  test("has an idempotency key of its account's, so that two that send the same one are two", async () => {
    const headers = { "idempotency-key": "k".repeat(255) };
    for (const { key } of [await api.newAccount(), await api.newAccount()]) {
      expect((await api.call("/v1/top-ups", { key, headers, body: { amount_usd: 20 } })).status).toBe(201);
    }
    expect(new Set(stripe.sessionKeys).size).toBe(2);
    for (const key of stripe.sessionKeys) expect(key.length).toBeLessThanOrEqual(255);
    const { key } = await api.newAccount();
    const once = (usd: number) => api.call("/v1/top-ups", { key, headers, body: { amount_usd: usd } });
    expect((await once(20)).body["id"]).toBe((await once(20)).body["id"]);
    expect(await once(30)).toMatchObject({ status: 400, body: { error: { code: "idempotency_key_reused" } } });
    const bad = await api.call("/v1/top-ups", { key, headers: { "idempotency-key": "a b" }, body: { amount_usd: 20 } });
    expect(bad).toMatchObject({ status: 400, body: { error: { param: "Idempotency-Key" } } });
  });

  test("needs a key that may manage the account, and fails clearly while Stripe is down", async () => {
    const { key } = await api.newAccount({ scopes: ["embeddings"] });
    expect((await api.call("/v1/top-ups", { key, body: { amount_usd: 20 } })).status).toBe(403);
    const owner = await api.newAccount();
    stripe.behaviour = "is down";
    const { status, text } = await api.call("/v1/top-ups", { key: owner.key, body: { amount_usd: 20 } });
    expect(status).toBe(503);
    expect(text).toContain("payment_unavailable");
  });
});

describe("an event", () => {
  test("of a payment is credit once, however often it is delivered", async () => {
    const account = await api.newAccount();
    const payment = stripe.newPayment(account.id, 2000);
    expect(await deliver("payment_intent.succeeded", payment)).toBe(200);
    expect(await deliver("payment_intent.succeeded", payment)).toBe(200);
    expect(await booksOf(account)).toMatchObject({ balance: 25, toppedUp: 20, kinds: ["topup", "grant"] });
  });

  test("of a refund that comes before its payment's ends in the same books as in order", async () => {
    const account = await api.newAccount();
    const payment = stripe.newPayment(account.id, 2000);
    const refund = { id: "re_1", amount: 500, currency: "usd", payment_intent: payment.id, status: "succeeded" };
    expect(await deliver("refund.created", refund)).toBe(200);
    expect(await deliver("payment_intent.succeeded", payment)).toBe(200);
    expect(await deliver("refund.updated", refund)).toBe(200);
    expect(await booksOf(account)).toMatchObject({ balance: 20, toppedUp: 20, refunded: 5, receivable: 0 });
  });

  test("of a refund that failed gives it back, whichever event comes first", async () => {
    const account = await api.newAccount();
    const payment = stripe.newPayment(account.id, 2000);
    const refund = { id: "re_2", amount: 500, currency: "usd", payment_intent: payment.id, status: "pending" };
    expect(await deliver("refund.failed", { ...refund, status: "failed" })).toBe(200);
    expect(await deliver("refund.created", refund)).toBe(200);
    expect((await booksOf(account)).balance).toBe(25);
  });

  test("of a dispute's funds takes them once; above the balance the rest is receivable and the account is suspended", async () => {
    const account = await api.newAccount();
    const payment = stripe.newPayment(account.id, 2000);
    const dispute = { id: "dp_1", amount: 3000, currency: "usd", payment_intent: payment.id, status: "needs_response" };
    expect(await deliver("charge.dispute.funds_withdrawn", dispute)).toBe(200);
    expect(await deliver("charge.dispute.funds_withdrawn", dispute)).toBe(200);
    expect(await booksOf(account)).toMatchObject({ balance: 0, refunded: 25, receivable: 5, status: "suspended" });
    expect(await deliver("charge.dispute.closed", { ...dispute, status: "won" })).toBe(200);
    expect(await deliver("charge.dispute.funds_reinstated", { ...dispute, status: "won" })).toBe(200);
    expect(await booksOf(account)).toMatchObject({ balance: 25, receivable: 0 });
  });

  test("of a dispute that is won before its withdrawal is heard of leaves the account as it was", async () => {
    const account = await api.newAccount();
    const payment = stripe.newPayment(account.id, 2000);
    const dispute = { id: "dp_2", amount: 90_000, currency: "usd", payment_intent: payment.id, status: "won" };
    for (const type of ["closed", "funds_reinstated", "funds_withdrawn", "created", "closed"]) {
      expect(await deliver(`charge.dispute.${type}`, dispute)).toBe(200);
    }
    expect(await booksOf(account)).toMatchObject({ balance: 25, refunded: 0, receivable: 0, status: "active" });
  });

  test.each([
    ["charge.dispute.created", "needs_response"],
    ["charge.dispute.created", "warning_needs_response"],
    ["charge.dispute.updated", "warning_under_review"],
    ["charge.dispute.created", "prevented"],
    ["charge.dispute.closed", "warning_closed"],
    ["charge.dispute.closed", "prevented"],
    ["charge.dispute.closed", "lost"],
  ])("that moves no money changes nothing: %s, %s", async (type, status) => {
    const account = await api.newAccount();
    const payment = stripe.newPayment(account.id, 2000);
    await deliver("payment_intent.succeeded", payment);
    const dispute = { id: "dp_3", amount: 2000, currency: "usd", payment_intent: payment.id, status };
    expect(await deliver(type, dispute)).toBe(200);
    expect(await booksOf(account)).toMatchObject({ balance: 25, refunded: 0, status: "active" });
  });

  test.each([
    ["its payment alone", { id: "re_4", charge: null }],
    ["its charge alone", { id: "pyr_4", payment_intent: null, charge: "ch_1" }],
    ["an id of another form", { id: "pyr_5" }],
    ["fields that are left out", { id: "re_5", payment_intent: undefined, charge: "ch_1" }],
  ])("of a refund is found by %s", async (_how, fields) => {
    const account = await api.newAccount();
    const payment = stripe.newPayment(account.id, 2000);
    stripe.chargeIds.set("ch_1", payment.id);
    const refund = { amount: 500, currency: "usd", payment_intent: payment.id, status: "pending", ...fields };
    expect(await deliver("refund.created", refund)).toBe(200);
    expect(await booksOf(account)).toMatchObject({ balance: 20, refunded: 5 });
  });

  test("that is not signed, signed long ago, or signed with another secret changes nothing", async () => {
    const account = await api.newAccount();
    const payment = stripe.newPayment(account.id, 2000);
    const now = Math.floor(Date.now() / 1000);
    const bad = [
      { ...(await signedEvent("payment_intent.succeeded", payment)), headers: {} },
      await signedEvent("payment_intent.succeeded", payment, now - 301),
      await signedEvent("payment_intent.succeeded", payment, now, "whsec_another"),
    ];
    const changed = await signedEvent("payment_intent.succeeded", payment);
    for (const { body, headers } of [...bad, { ...changed, body: changed.body.replace("2000", "9000") }]) {
      expect((await api.call("/stripe/webhook", { body, headers })).status).toBe(400);
    }
    expect((await booksOf(account)).balance).toBe(5);
  });

  describe("that is not ours is answered well and changes nothing", () => {
    const refund = {
      id: "re_9",
      amount: 500,
      currency: "usd",
      payment_intent: null,
      charge: null,
      status: "succeeded",
    };
    const payment = { id: "pi_9", status: "succeeded", currency: "usd", amount_received: 100, metadata: {} };
    test.each<[string, string, object]>([
      ["a payment without our account", "payment_intent.succeeded", payment],
      ["a payment of nearly no shape", "payment_intent.succeeded", { id: "pi_x" }],
      ["a payment of another shape", "payment_intent.succeeded", { ...payment, amount_received: "many" }],
      [
        "a payment for another business's account",
        "payment_intent.succeeded",
        { ...payment, metadata: { account_id: "a" } },
      ],
      [
        "a payment for an account of another deployment",
        "payment_intent.succeeded",
        { ...payment, metadata: { account_id: newId("account") } },
      ],
      ["a refund of nothing that is named", "refund.created", refund],
      ["a refund of an unknown payment", "refund.created", { ...refund, payment_intent: "pi_unknown" }],
      ["a refund of an unknown charge", "refund.created", { ...refund, charge: "ch_unknown" }],
      ["a refund of a charge without a payment", "refund.created", { ...refund, charge: "ch_alone" }],
      ["a refund in euros", "refund.created", { ...refund, currency: "eur", payment_intent: "pi_unknown" }],
      ["a dispute in yen", "charge.dispute.funds_withdrawn", { ...refund, id: "dp_9", currency: "jpy" }],
      ["another kind of event", "customer.created", { id: "cus_9" }],
    ])("%s", async (_what, type, object) => {
      stripe.chargeIds.set("ch_alone", null);
      expect(await deliver(type, object)).toBe(200);
    });
  });

  test.each([
    ["in another currency", { currency: "eur" }, 200],
    ["that has not succeeded", { status: "requires_action" }, 200],
    ["of more than Stripe takes", { amount_received: 1e15 }, 400],
    ["of a part of a cent", { amount_received: 0.5 }, 400],
    ["of less than nothing", { amount_received: -5 }, 400],
  ])("of a payment %s brings no credit, in an event or behind a refund", async (_what, fields, status) => {
    const account = await api.newAccount();
    const payment = Object.assign(stripe.newPayment(account.id, 2000), fields);
    expect(await deliver("payment_intent.succeeded", payment)).toBe(status);
    const refund = { id: "re_6", amount: 500, currency: "usd", payment_intent: payment.id, status: "succeeded" };
    expect(await deliver("refund.created", refund)).toBe(status);
    expect(await booksOf(account)).toMatchObject({ balance: 5, toppedUp: 0, refunded: 0 });
  });

  test.each(["refund.created", "charge.dispute.funds_withdrawn"])(
    "of a claim above all that Stripe takes is refused: %s",
    async (type) => {
      const account = await api.newAccount();
      const payment = stripe.newPayment(account.id, 2000);
      const claim = { id: "x_1", amount: 1e15, currency: "usd", payment_intent: payment.id, status: "succeeded" };
      expect(await deliver(type, claim)).toBe(400);
    },
  );

  test("whose payment cannot be read now is asked for again", async () => {
    stripe.behaviour = "is down";
    const refund = { id: "re_3", amount: 500, currency: "usd", payment_intent: "pi_9", status: "succeeded" };
    expect(await deliver("refund.created", refund)).toBe(503);
  });
});

test("a grant or payment above what an account may be given is refused, never our fault", async () => {
  const account = await api.newAccount();
  const most = 9_007_199_254_740_991;
  const grant = (amount: number) =>
    api.admin(`/admin/accounts/${account.id}/grants`, { amount_nano_usd: amount, kind: "promo" });
  expect(await grant(most)).toMatchObject({ status: 400, body: { error: { code: "limit_reached" } } });
  expect(await grant(most - 5e9)).toMatchObject({ status: 201 });
  expect(await deliver("payment_intent.succeeded", stripe.newPayment(account.id, 2000))).toBe(400);
  const { body } = await api.admin(`/admin/accounts/${account.id}`);
  expect(body["balance_nano_usd"]).toBe(most);
});

describe("an automatic top-up", () => {
  const terms = { threshold_usd: 10, target_usd: 30, monthly_cap_usd: 100 };

  /** An account with $5 and a card, below the threshold of `terms` once they are set. */
  async function accountWithCard() {
    const account = await api.newAccount();
    await deliver("payment_intent.succeeded", { ...stripe.newPayment(account.id, 100), amount_received: 100 });
    const { status, body } = await api.call("/v1/auto-top-up", { method: "PUT", key: account.key, body: terms });
    expect(status).toBe(200);
    expect(body).toMatchObject({ enabled: true, has_card: true });
    return account;
  }
  const autoTopUpOf = async ({ key }: { readonly key: string }) => (await api.call("/v1/auto-top-up", { key })).body;
  const alarmOf = (id: string) => runDurableObjectAlarm(env.ACCOUNT.get(env.ACCOUNT.idFromName(id)));

  test("charges the card up to the target, once, although Stripe's event comes as well", async () => {
    const account = await accountWithCard();
    await expect.poll(() => stripe.chargesOf(account.id).length).toBe(1);
    for (const payment of stripe.chargesOf(account.id)) await deliver("payment_intent.succeeded", payment);
    await expect.poll(async () => (await autoTopUpOf(account))["pending"]).toBe(false);
    await alarmOf(account.id);
    expect(stripe.chargesOf(account.id)).toHaveLength(1);
    expect(await booksOf(account)).toMatchObject({ balance: 30, toppedUp: 25 });
    expect((await autoTopUpOf(account))["spent_this_month_nano_usd"]).toBe(24e9);
  });

  test("whose answer was lost waits, and its event alone brings the credit", async () => {
    stripe.behaviour = "works, but the answer is lost";
    const account = await accountWithCard();
    await expect.poll(() => stripe.chargesOf(account.id).length).toBe(1);
    expect(await autoTopUpOf(account)).toMatchObject({ pending: true, enabled: true });
    for (const payment of stripe.chargesOf(account.id)) await deliver("payment_intent.succeeded", payment);
    await alarmOf(account.id);
    expect(stripe.chargesOf(account.id)).toHaveLength(1);
    expect((await booksOf(account)).balance).toBe(30);
  });

  test("that the bank declines is switched off and says so; new terms switch it on", async () => {
    stripe.behaviour = "declines";
    const account = await accountWithCard();
    await expect.poll(async () => (await autoTopUpOf(account))["enabled"]).toBe(false);
    expect(await autoTopUpOf(account)).toMatchObject({ disabled_reason: "The card was refused (card_declined)." });
    stripe.behaviour = "works";
    const again = await api.call("/v1/auto-top-up", { method: "PUT", key: account.key, body: terms });
    expect(again.body).toMatchObject({ enabled: true, disabled_reason: null });
    const off = await api.call("/v1/auto-top-up", { method: "DELETE", key: account.key });
    expect(off.body).toMatchObject({ enabled: false });
  });

  test("whose target is not above its threshold is refused", async () => {
    const { key } = await api.newAccount();
    const bad = { ...terms, target_usd: 12 };
    const { status, text } = await api.call("/v1/auto-top-up", { method: "PUT", key, body: bad });
    expect(status).toBe(400);
    expect(text).toContain('"param":"target_usd"');
  });
});
