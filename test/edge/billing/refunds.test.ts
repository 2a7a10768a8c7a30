// The operator's refunds, against Stripe's routes in memory and the real object: money goes back once and credit goes with
// it, whoever repeats what and in which order Stripe's events come.

import { beforeEach, describe, expect, test } from "vitest";
import { must } from "../../../shared/assert.ts";
import type { ApiAnswer } from "../support/api.ts";
import { HOUR_MS, PayingWorld, stubOf } from "./paying-world.ts";

const world = new PayingWorld();
beforeEach(() => world.begin());

describe("a refund", () => {
  test("goes through Stripe and the books, and says what was refunded and what is left", async () => {
    const account = await world.payer();
    const { status, body } = await world.refund(account, { amount_usd: 12.5, reason: "requested_by_customer" });
    expect(status).toBe(201);
    const [made] = world.stripe.refunds;
    expect(body).toMatchObject({
      object: "refund",
      account_id: account.id,
      payment: account.payment,
      stripe_refund: made?.id,
      status: "succeeded",
      amount_usd: "12.5",
      amount_nano_usd: 12.5e9,
      tax_nano_usd: 0,
      balance_usd: "12.5",
    });
    expect(made).toMatchObject({ amount: 1250, reason: "requested_by_customer", metadata: { refund_id: body["id"] } });
    const after = { balance: 12.5, refunded: 12.5, paidBack: 1250, kinds: ["refund", "topup", "grant"] };
    expect(await world.stateOf(account)).toMatchObject(after);
    for (const order of ["forwards", "backwards"] as const) await world.deliverAll(order);
    expect(await world.stateOf(account)).toMatchObject(after);
    const { body: reconciled } = await world.api.admin("/admin/reconcile", {});
    expect(reconciled).toMatchObject({ missed: [], refused: [] });
    expect(await world.stateOf(account)).toMatchObject(after);
  });

  test("stands in the statement with its payment, and in both audit logs with who ordered it", async () => {
    const account = await world.payer();
    const { body } = await world.refund(account, { amount_usd: 1 });
    const { body: statement } = await world.api.call("/v1/transactions", { key: account.key });
    expect(statement["data"]).toMatchObject([
      { kind: "refund", payment_id: account.payment, amount_nano_usd: -1e9 },
      { kind: "topup", payment_id: account.payment },
      { kind: "grant" },
    ]);
    const { body: audit } = await world.api.admin("/admin/audit?limit=1");
    expect(audit["data"]).toMatchObject([
      {
        action: "refund",
        actor: expect.stringContaining("operator") as string,
        target: account.id,
        outcome: "done",
        facts: { payment: account.payment, amount_nano_usd: 1e9 },
      },
    ]);
    const own = await stubOf(account.id).auditLog(undefined, 2);
    expect(own.map(({ actor, action }) => [actor, action])).toEqual([
      ["stripe", "refund.accepted"],
      ["operator", "refund"],
    ]);
    expect(own[0]?.facts).toContain(String(body["stripe_refund"]));
  });

  test("without an amount is of all that is left; then nothing is, and Stripe is not asked", async () => {
    const account = await world.payer();
    await world.refund(account, { amount_usd: "5.01" });
    expect((await world.refund(account)).body).toMatchObject({ amount_usd: "14.99", balance_usd: "5" });
    const asked = world.stripe.forms.length;
    const again = await world.refund(account);
    expect(again).toMatchObject({ status: 400, body: { error: { code: "invalid_value", param: "payment" } } });
    expect(again.text).toContain("is refunded already");
    expect(world.stripe.forms.length).toBe(asked);
    expect(await world.stateOf(account)).toMatchObject({ balance: 5, refunded: 20, paidBack: 2000 });
  });

  test("of a payment that no event has told of yet credits it first", async () => {
    const { id, key } = await world.api.newAccount();
    const { id: payment } = world.stripe.newPayment(id, 1000, `pi_${id.slice(5)}`);
    expect((await world.refund({ id, payment }, { amount_usd: 4 })).status).toBe(201);
    expect(await world.stateOf({ id, key, payment })).toMatchObject({
      balance: 11,
      kinds: ["refund", "topup", "grant"],
    });
  });

  test.each(["the operator's", "in Stripe's dashboard", "a dispute"])(
    "turns automatic top-ups off, which would charge the card for it again: %s",
    async (whose) => {
      const account = await world.payer();
      const terms = { threshold_usd: 20, target_usd: 30, monthly_cap_usd: 100 };
      await world.api.call("/v1/auto-top-up", { method: "PUT", key: account.key, body: terms });
      if (whose === "the operator's") await world.refund(account);
      if (whose === "in Stripe's dashboard") world.stripe.newRefund(account.payment, 2000);
      const dispute = { id: "dp_1", amount: 2000, currency: "usd", payment_intent: account.payment, status: "lost" };
      if (whose === "a dispute") await world.deliver("charge.dispute.funds_withdrawn", dispute);
      await world.deliverAll();
      const word = whose === "a dispute" ? "disputed" : "refunded";
      const { body } = await world.api.call("/v1/auto-top-up", { key: account.key });
      expect(body).toMatchObject({ enabled: false, pending: false, disabled_reason: `A payment was ${word}.` });
      expect(world.stripe.chargesOf(account.id)).toEqual([]);
      expect((await world.stateOf(account)).balance).toBe(5);
    },
  );

  test("that was made in Stripe's dashboard counts", async () => {
    const account = await world.payer();
    world.stripe.newRefund(account.payment, 1500);
    const { status, text } = await world.refund(account, { amount_usd: 6 });
    expect(status).toBe(400);
    expect(text).toContain("at most 5:");
    expect((await world.refund(account)).body).toMatchObject({ amount_usd: "5" });
    await world.deliverAll();
    expect(await world.stateOf(account)).toMatchObject({ balance: 5, refunded: 20, paidBack: 2000 });
  });

  test("with tax gives its share of the tax back, and takes no more credit than was given", async () => {
    const account = await world.payer(2380, 2000);
    expect((await world.stateOf(account)).balance).toBe(25);
    const parts: ApiAnswer[] = [];
    for (const usd of [3.33, 3.33, 3.33]) parts.push(await world.refund(account, { amount_usd: usd }));
    parts.push(await world.refund(account));
    expect(parts.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(parts.map(({ body }) => body["tax_usd"])).toEqual(["0.63", "0.63", "0.63", "1.91"]);
    await world.deliverAll("backwards");
    expect(await world.stateOf(account)).toMatchObject({ balance: 5, refunded: 20, paidBack: 2380 });
  });
});

describe("asked for again", () => {
  test("under its Idempotency-Key it is the same refund, whenever, once nothing is left, and after a backup was put back", async () => {
    const account = await world.payer();
    const first = await world.refund(account, {}, "again");
    const second = await world.refund(account, {}, "again");
    expect(second.status).toBe(201);
    expect(second.headers.get("x-idempotent-replayed")).toBe("true");
    expect(second.body).toEqual(first.body);
    await world.passTime(account.id, 400 * 24 * HOUR_MS);
    expect((await world.refund(account, {}, "again")).body).toEqual(first.body);
    const dump = must(await stubOf(account.id).dump(), "dump");
    await stubOf(account.id).deleteAccount();
    await stubOf(account.id).restore(dump);
    expect((await world.refund(account, {}, "again")).body).toEqual(first.body);
    expect(world.stripe.refunds).toHaveLength(1);
  });

  test("with another body it is refused; without a key it is not done at all", async () => {
    const account = await world.payer();
    await world.refund(account, { amount_usd: 1 }, "other");
    const other = await world.refund(account, { amount_usd: 2 }, "other");
    expect(other).toMatchObject({ status: 400, body: { error: { code: "idempotency_key_reused" } } });
    const body = { payment: account.payment };
    const keyless = await world.api.admin(`/admin/accounts/${account.id}/refunds`, body);
    expect(keyless).toMatchObject({ status: 400, body: { error: { param: "Idempotency-Key" } } });
    expect(await world.stateOf(account)).toMatchObject({ paidBack: 100, balance: 24 });
  });

  test("at once, ten times, it is one refund; under ten keys no more than was paid goes back", async () => {
    const one = await world.payer();
    const same = await Promise.all(Array.from({ length: 10 }, () => world.refund(one, { amount_usd: 3 }, "same")));
    expect(new Set(same.map(({ body }) => body["id"])).size).toBe(1);
    expect(same.filter(({ headers }) => headers.get("x-idempotent-replayed") === "true")).toHaveLength(9);
    expect(await world.stateOf(one)).toMatchObject({ paidBack: 300, balance: 22 });
    const two = await world.payer();
    const ten = await Promise.all(Array.from({ length: 10 }, () => world.refund(two, { amount_usd: 3 })));
    expect(ten.filter(({ status }) => status === 201)).toHaveLength(6);
    expect(await world.stateOf(two)).toMatchObject({ paidBack: 1800, balance: 7, status: "active" });
  });
});

describe("not refunded, with nothing done, is", () => {
  const NOTHING = { balance: 25, refunded: 0, paidBack: 0, kinds: ["topup", "grant"] };

  test.each([
    ["a grant's id", { payment: "welcome" }, "payment", "a grant was never paid"],
    ["a payment that Stripe does not know", { payment: "pi_unknown" }, "payment", "Stripe has no payment pi_unknown"],
    ["a part of a cent", { amount_usd: 1.005 }, "amount_usd", "in whole cents"],
    ["nothing", { amount_usd: 0 }, "amount_usd", "above 0"],
    ["more than was paid", { amount_usd: 20.01 }, "amount_usd", "must be at most 20"],
    ["a reason of its own", { reason: "because" }, "reason", "requested_by_customer"],
  ])("%s", async (_what, body, param, words) => {
    const account = await world.payer();
    const answer = await world.refund(account, body);
    expect(answer.status).toBeLessThan(500);
    expect(answer.body).toMatchObject({ error: { param } });
    expect(answer.text).toContain(words);
    expect(await world.stateOf(account)).toMatchObject(NOTHING);
  });

  test("a payment of another account, which is named", async () => {
    const [one, other] = [await world.payer(), await world.payer()];
    const answer = await world.refund({ id: one.id, payment: other.payment });
    expect(answer).toMatchObject({ status: 404, body: { error: { code: "object_not_found", param: "payment" } } });
    expect(answer.text).toContain(other.id);
    for (const account of [one, other]) expect(await world.stateOf(account)).toMatchObject(NOTHING);
    expect((await world.refund({ id: "acct_00000000000000", payment: one.payment })).status).toBe(404);
  });

  test("a payment that did not succeed, or is in another currency", async () => {
    const account = await world.payer();
    const open = Object.assign(world.stripe.newPayment(account.id, 700), { status: "requires_action" });
    expect((await world.refund({ ...account, payment: open.id })).text).toContain("requires_action: nothing was paid");
    const euros = Object.assign(world.stripe.newPayment(account.id, 700), { currency: "eur" });
    expect((await world.refund({ ...account, payment: euros.id })).status).toBe(404);
    expect(await world.stateOf(account)).toMatchObject(NOTHING);
  });

  test("credit that is spent: of $25, gifts are spent first, and what is left of the payment may go back", async () => {
    const account = await world.payer();
    await world.spend(account, 11);
    const answer = await world.refund(account);
    expect(answer).toMatchObject({ status: 400, body: { error: { code: "invalid_value", param: "amount_usd" } } });
    expect(answer.text).toContain("only $14 is not spent");
    expect(await world.stateOf(account)).toMatchObject({ balance: 14, refunded: 0, paidBack: 0, status: "active" });
    expect((await world.refund(account, { amount_usd: 14 })).status).toBe(201);
    expect(await world.stateOf(account)).toMatchObject({ balance: 0, refunded: 14, paidBack: 1400, status: "active" });
  });

  test("credit that calls hold now: it is a matter of seconds", async () => {
    const account = await world.payer();
    await world.spend(account, 3);
    await world.spend(account, 20, true);
    const answer = await world.refund(account);
    expect(answer).toMatchObject({ status: 429, body: { error: { code: "credit_held" } } });
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(answer.text).toContain("all but $2");
    expect(await world.stateOf(account)).toMatchObject({ balance: 22, refunded: 0, paidBack: 0 });
  });

  test("what Stripe cannot be asked about", async () => {
    const account = await world.payer();
    world.stripe.behaviour = "is down";
    expect(await world.refund(account)).toMatchObject({
      status: 503,
      body: { error: { code: "payment_unavailable" } },
    });
    world.stripe.behaviour = "works";
    expect(await world.stateOf(account)).toMatchObject(NOTHING);
  });
});
