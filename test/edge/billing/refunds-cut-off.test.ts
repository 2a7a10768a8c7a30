// A refund where Stripe refuses, says nothing or changes its mind, and where the object dies: it is made once, and credit
// and money agree in the end.

import { runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { must } from "../../../shared/assert.ts";
import { HOUR_MS, PayingWorld, stubOf } from "./paying-world.ts";

const world = new PayingWorld();
beforeEach(() => world.begin());
afterEach(() => vi.restoreAllMocks());

/** Stripe does it, and the answer never comes. */
function doneAndLost(url: string, init: RequestInit): true {
  world.stripe.fetch(url, init);
  return true;
}

describe("where Stripe", () => {
  test.each(["disputed", "403"])("refuses (%s), the credit is back, and the same key says so again", async (why) => {
    const account = await world.payer();
    if (why === "disputed") must(world.stripe.charges.get(account.payment), "charge").disputed = true;
    else world.stripe.behaviour = "refuses our key";
    const refused = await world.refund(account, { amount_usd: 5 }, `refused-${why}`);
    expect(refused.status).toBe(why === "disputed" ? 400 : 503);
    expect(refused.text).toContain("Nothing was refunded, and the credit is back.");
    const after = { balance: 25, paidBack: 0, status: "active", kinds: ["topup", "refund", "topup", "grant"] };
    expect(await world.stateOf(account)).toMatchObject(after);
    world.stripe.behaviour = "works";
    expect((await world.refund(account, { amount_usd: 5 }, `refused-${why}`)).text).toBe(refused.text);
    expect(await world.stateOf(account)).toMatchObject(after);
    if (why === "403") expect((await world.refund(account, { amount_usd: 5 })).status).toBe(201);
  });

  test.each(["works, but the answer is lost", "works, but answers 500", "answers 500", "is busy"] as const)(
    "%s, the credit stays taken and Stripe is asked until it has said",
    async (behaviour) => {
      const account = await world.payer();
      world.onPost = () => {
        world.stripe.behaviour = behaviour;
        return false;
      };
      const first = await world.refund(account, { amount_usd: 5 }, behaviour.replaceAll(/\W/g, "-"));
      expect(first).toMatchObject({
        status: 201,
        body: { status: "requested", stripe_refund: null, balance_usd: "20" },
      });
      world.onPost = undefined;
      world.stripe.behaviour = "works";
      await world.passTime(account.id, HOUR_MS);
      expect(await runDurableObjectAlarm(stubOf(account.id))).toBe(true);
      const isSaved500 = behaviour === "answers 500";
      const again = await world.refund(account, { amount_usd: 5 }, behaviour.replaceAll(/\W/g, "-"));
      expect(again.body).toMatchObject({ id: first.body["id"], status: isSaved500 ? "requested" : "succeeded" });
      await world.deliverAll();
      expect(await world.stateOf(account)).toMatchObject({ balance: 20, paidBack: isSaved500 ? 0 : 500 });
      if (!isSaved500) return;
      // Its key brings the same fault for a day: after 20 hours it is enough that Stripe has no such refund.
      await world.passTime(account.id, 21 * HOUR_MS);
      await runDurableObjectAlarm(stubOf(account.id));
      expect((await world.refund(account, { amount_usd: 5 }, "answers-500")).text).toContain("has no such refund");
      expect(await world.stateOf(account)).toMatchObject({ balance: 25, paidBack: 0 });
    },
  );

  test.each(["at once", "before the answer", "later"])("lets it fail %s, the credit comes back once", async (when) => {
    const account = await world.payer(2380, 2000);
    if (when === "at once") world.stripe.refundStatus = "failed";
    if (when === "before the answer") {
      world.onPost = doneAndLost;
      const pending = world.refund(account, { amount_usd: 3.33 }, "fails");
      await expect.poll(() => world.stripe.refunds.length).toBe(1);
      world.stripe.failRefund(must(world.stripe.refunds[0], "refund"));
      await world.deliverAll();
      await world.crash(account.id);
      await pending;
      world.onPost = undefined;
    } else await world.refund(account, { amount_usd: 3.33 }, "fails");
    if (when === "later") world.stripe.failRefund(must(world.stripe.refunds[0], "refund"));
    for (const order of ["backwards", "forwards"] as const) await world.deliverAll(order);
    expect((await world.refund(account, { amount_usd: 3.33 }, "fails")).body).toMatchObject({
      status: "failed",
      balance_usd: "25",
    });
    await world.api.admin("/admin/reconcile", {});
    const { kinds, ...books } = await world.stateOf(account);
    expect(books).toMatchObject({ balance: 25, refunded: 3.33, receivable: 0, status: "active" });
    expect(kinds).toEqual(["topup", "refund", "topup", "grant"]);
    world.stripe.refundStatus = "succeeded";
    if (when !== "at once")
      expect((await world.refund(account)).body).toMatchObject({ amount_usd: "20", balance_usd: "5" });
  });
});

test("a refund that Stripe was not asked for yet is asked for before its account is deleted", async () => {
  const account = await world.payer();
  world.onPost = () => {
    world.stripe.behaviour = "is busy";
    return false;
  };
  expect((await world.refund(account, { amount_usd: 5 })).body).toMatchObject({ status: "requested" });
  world.onPost = undefined;
  world.stripe.behaviour = "works";
  const { key } = account;
  expect((await world.api.call(`/v1/account?confirm=${account.id}`, { method: "DELETE", key })).status).toBe(200);
  expect(world.stripe.refunds).toMatchObject([{ amount: 500, payment_intent: account.payment }]);
  await world.deliverAll();
});

describe("an object that dies", () => {
  test.each([
    ["before Stripe heard of it", false],
    ["between Stripe's answer and the books", true],
  ])("%s ends it in its next life, by its alarm alone", async (_when, isDone) => {
    const account = await world.payer();
    let asked = 0;
    world.onPost = (url, init) => {
      asked += 1;
      return isDone ? doneAndLost(url, init) : true;
    };
    const cut = world.refund(account, { amount_usd: 5 }, "crash");
    await expect.poll(() => asked).toBe(1);
    await world.crash(account.id);
    expect((await cut).status).toBeGreaterThanOrEqual(500);
    world.onPost = undefined;
    if (isDone) await world.deliverAll();
    expect(await world.stateOf(account)).toMatchObject({ balance: 20, refunded: 5, paidBack: isDone ? 500 : 0 });
    await world.passTime(account.id, HOUR_MS);
    expect(await runDurableObjectAlarm(stubOf(account.id))).toBe(true);
    expect(await world.stateOf(account)).toMatchObject({ balance: 20, refunded: 5, paidBack: 500 });
    await world.deliverAll("backwards");
    const { body } = await world.refund(account, { amount_usd: 5 }, "crash");
    expect(body).toMatchObject({ status: "succeeded", stripe_refund: world.stripe.refunds[0]?.id, balance_usd: "20" });
    expect(world.stripe.refunds).toHaveLength(1);
  });

  test("between Stripe's answer and the books finds the refund also after Stripe has forgotten the key", async () => {
    const account = await world.payer();
    world.onPost = doneAndLost;
    const cut = world.refund(account, { amount_usd: 5 }, "late");
    await expect.poll(() => world.stripe.refunds.length).toBe(1);
    await world.crash(account.id);
    await cut;
    world.onPost = undefined;
    world.stripe.forgetKeys();
    await world.passTime(account.id, 30 * HOUR_MS);
    world.stripe.behaviour = "is down";
    await runDurableObjectAlarm(stubOf(account.id));
    world.stripe.behaviour = "works";
    await world.passTime(account.id, 33 * HOUR_MS);
    await runDurableObjectAlarm(stubOf(account.id));
    expect((await world.refund(account, { amount_usd: 5 }, "late")).body).toMatchObject({ status: "succeeded" });
    expect(world.stripe.refunds).toHaveLength(1);
    expect(await world.stateOf(account)).toMatchObject({ balance: 20, paidBack: 500 });
  });
});
