// An automatic top-up that the card's bank declines: one charge, then none, and whoever owns the account hears of it.

import { env, runInDurableObject } from "cloudflare:test";
import { beforeEach, describe, expect, test } from "vitest";
import { AccountObject } from "../../../edge/account/account.ts";
import { must } from "../../../shared/assert.ts";
import { HOUR_MS, PayingWorld, TOLD, stubOf } from "./paying-world.ts";

const TERMS = { threshold_usd: 10, target_usd: 30, monthly_cap_usd: 100 };
const MAIL = { EMAIL_API_URL: `${TOLD}mail`, EMAIL_API_KEY: "key", EMAIL_FROM: "us@example.com" };
const world = new PayingWorld();
beforeEach(() => world.begin());

/** An account with a card, an e-mail address, a webhook, and $1: below the threshold once `TERMS` are set. */
async function accountWithCard(): Promise<{ readonly id: string; readonly key: string }> {
  const { body } = await world.api.admin("/admin/accounts", { name: "Payer", email: "payer@example.com" });
  const id = String(body["id"]);
  const scopes = ["account:write", "usage:read"];
  const key = String((await world.api.admin(`/admin/accounts/${id}/keys`, { scopes })).body["key"]);
  await world.api.call("/v1/webhooks", { key, body: { url: `${TOLD}hook`, events: ["auto_top_up.failed"] } });
  await world.deliver("payment_intent.succeeded", world.stripe.newPayment(id, 100));
  return { id, key };
}

const setTerms = ({ key }: { readonly key: string }) =>
  world.api.call("/v1/auto-top-up", { method: "PUT", key, body: TERMS });
const autoTopUpOf = async ({ key }: { readonly key: string }) =>
  (await world.api.call("/v1/auto-top-up", { key })).body;
const charges = () => world.stripe.forms.filter((form) => form.has("off_session"));

test("a charge has a description and a receipt, and the same ones when it is tried again under its key", async () => {
  world.stripe.behaviour = "works, but the answer is lost";
  const account = await accountWithCard();
  await setTerms(account);
  await expect.poll(() => charges().length).toBe(1);
  world.stripe.behaviour = "works";
  // Another card is left meanwhile: it is the next attempt's.
  const other = Object.assign(world.stripe.newPayment(account.id, 100), { payment_method: "pm_2" });
  await world.deliver("payment_intent.succeeded", other);
  await runInDurableObject(stubOf(account.id), async (object) => {
    (object as unknown as { nowMs: () => number }).nowMs = () => Date.now() + HOUR_MS;
    await object.alarm?.();
  });
  expect(charges().map((form) => form.toString())).toEqual([charges()[0]?.toString(), charges()[0]?.toString()]);
  expect(Object.fromEntries(charges()[1] ?? [])).toMatchObject({
    description: "Embedding credit, automatic top-up",
    receipt_email: "payer@example.com",
  });
  expect(await autoTopUpOf(account)).toMatchObject({ enabled: true, pending: false });
  expect(world.stripe.chargesOf(account.id)).toHaveLength(1);
});

describe("a decline", () => {
  test.each([
    ["declines", "card_declined"],
    ["wants the cardholder", "authentication_required"],
  ] as const)("(%s) is one charge, an event with the reason, and a state that says so", async (behaviour, code) => {
    const account = await accountWithCard();
    world.stripe.behaviour = behaviour;
    await setTerms(account);
    await expect.poll(() => world.told.length).toBe(1);
    const event = must(world.told[0], "event").body;
    expect(event).toMatchObject({
      type: "auto_top_up.failed",
      data: {
        account_id: account.id,
        amount_usd: "29",
        balance_usd: "1",
        reason: expect.stringContaining(code) as string,
      },
    });
    expect(await autoTopUpOf(account)).toMatchObject({
      enabled: false,
      pending: false,
      disabled_reason: (event["data"] as { reason: string }).reason,
    });
    // Nothing of what goes on in the account charges the card again.
    for (let turn = 0; turn < 3; turn += 1)
      await world.api.admin(`/admin/accounts/${account.id}/grants`, { amount_usd: 1, kind: "promo" });
    await runInDurableObject(stubOf(account.id), (object) => object.alarm?.());
    expect(charges()).toHaveLength(1);
    world.stripe.behaviour = "works";
    expect((await setTerms(account)).body).toMatchObject({ enabled: true, disabled_reason: null });
    await expect.poll(() => world.stripe.chargesOf(account.id).length).toBe(1);
  });

  test("goes to the account's address where e-mail is sent", async () => {
    const account = await accountWithCard();
    world.stripe.behaviour = "declines";
    await runInDurableObject(stubOf(account.id), async (_, state) => {
      const object = new AccountObject(state, { ...env, ...MAIL });
      object.setAutoTopUp(
        { thresholdNanoUsd: 10e9, targetNanoUsd: 30e9, monthlyCapNanoUsd: 100e9 } as Parameters<
          typeof object.setAutoTopUp
        >[0],
        "test",
      );
      await object.alarm();
      await object.alarm();
    });
    const mail = world.told.find(({ url }) => url.endsWith("mail"));
    expect(mail?.body).toMatchObject({ to: ["payer@example.com"], from: "us@example.com" });
    expect(mail?.body["subject"]).toBe(
      "Your automatic top-up of $29 failed: The card was refused (card_declined). It is off until you save its terms again.",
    );
  });

  test.each(["is busy", "is down", "answers 500", "refuses our key"] as const)(
    "is not where Stripe %s: the attempt waits, and nobody is told",
    async (behaviour) => {
      const account = await accountWithCard();
      world.stripe.behaviour = behaviour;
      await setTerms(account);
      await runInDurableObject(stubOf(account.id), (object) => object.alarm?.());
      expect(await autoTopUpOf(account)).toMatchObject({ enabled: true, pending: true, disabled_reason: null });
      expect(world.told).toEqual([]);
    },
  );
});
