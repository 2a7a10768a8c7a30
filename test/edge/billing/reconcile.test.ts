// Stripe's events against the books: webhooks that never came are made good, once, and what is refused is named.

import { env } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { reconcileDaily } from "../../../edge/payments/daily-reconcile.ts";
import type { Env } from "../../../edge/bindings.ts";
import { Api } from "../support/api.ts";
import { fetchOf } from "../support/fake-backends.ts";
import { FakeStripe, STRIPE_ORIGIN, signedEvent } from "../../support/fake-stripe.ts";

const DAILY_MS = Date.parse("2026-11-29T04:07:12Z");
const api = new Api();
let stripe: FakeStripe;
globalThis.fetch = (input, init) => {
  const url = input instanceof Request ? input.url : String(input);
  if (!url.startsWith(STRIPE_ORIGIN)) return fetchOf([api.backend])(url, init ?? {});
  return Promise.resolve().then(() => stripe.fetch(url, init ?? {}));
};
let count = 0;
let id: string;

beforeEach(async () => {
  stripe = new FakeStripe();
  id = String((await api.admin("/admin/accounts", { name: "Payer" })).body["id"]);
});
afterEach(() => vi.restoreAllMocks());

function happened(type: string, object: object): { id: string; type: string; data: { object: object } } {
  const event = { id: `evt_${(count += 1)}`, type, data: { object } };
  stripe.events.push(event);
  return event;
}

function paid(cents: number, account = id): { readonly event: string; readonly payment: { readonly id: string } } {
  const payment = stripe.newPayment(account, cents, `pi_r${(count += 1)}`);
  return { event: happened("payment_intent.succeeded", payment).id, payment };
}

const reconcile = (body: object = {}) => api.admin("/admin/reconcile", body);
const balance = async () => (await api.admin(`/admin/accounts/${id}`)).body["balance_nano_usd"];

describe("reconciling", () => {
  test("credits a payment whose webhook never came, once, however often it is asked", async () => {
    const { event } = paid(1000);
    expect((await reconcile()).body).toEqual({ checked: 1, missed: [event], refused: [], next: null });
    expect(await balance()).toBe(10_000_000_000);
    expect((await reconcile()).body).toMatchObject({ checked: 1, missed: [] });
    expect(await balance()).toBe(10_000_000_000);
  });

  test("leaves alone what a webhook did, and takes back what a missed refund and dispute took", async () => {
    const { payment } = paid(2000);
    const { body, headers } = await signedEvent("payment_intent.succeeded", payment);
    expect((await api.call("/stripe/webhook", { method: "POST", body, headers })).status).toBe(200);
    const refund = {
      id: `re_${count}`,
      amount: 500,
      currency: "usd",
      payment_intent: payment.id,
      charge: null,
      status: "succeeded",
    };
    const missed = happened("refund.created", refund);
    expect((await reconcile()).body).toMatchObject({ checked: 2, missed: [missed.id] });
    expect(await balance()).toBe(15_000_000_000);
    const failed = happened("refund.failed", { ...refund, status: "failed" });
    expect((await reconcile({ days: 30 })).body).toMatchObject({ missed: [failed.id] });
    expect(await balance()).toBe(20_000_000_000);
  });

  test("of what is another business's does nothing, and what it cannot read it names", async () => {
    happened("payment_intent.succeeded", { ...stripe.newPayment(id, 700), metadata: {} });
    happened("payment_intent.succeeded", { ...stripe.newPayment(id, 700), currency: "eur" });
    const odd = happened("refund.created", { id: "re_odd", amount: -1, currency: "usd" });
    const { body } = await reconcile();
    expect(body).toMatchObject({ checked: 3, missed: [] });
    expect(body["refused"]).toEqual([{ event: odd.id, reason: expect.stringContaining("refund.created") as string }]);
    expect(await balance()).toBe(0);
  });

  test("goes page by page through all of them", async () => {
    stripe.pageSize = 2;
    const events = [paid(100), paid(100), paid(100)].map(({ event }) => event);
    const first = (await reconcile()).body;
    expect(first).toMatchObject({ checked: 2, missed: [events[1], events[2]], next: events[1] });
    expect((await reconcile({ after: first["next"] })).body).toMatchObject({
      checked: 1,
      missed: [events[0]],
      next: null,
    });
    expect(await balance()).toBe(3_000_000_000);
  });

  test("while Stripe is down is a 503 that may be repeated; wrong days are a 400", async () => {
    paid(100);
    stripe.behaviour = "is down";
    expect((await reconcile()).status).toBe(503);
    expect((await reconcile({ days: 31 })).status).toBe(400);
  });
});

describe("the daily job", () => {
  const alerts: string[] = [];
  const ports = {
    now: () => DAILY_MS,
    fetch: (_url: string, init: RequestInit) =>
      new Response(init.body).text().then((text) => {
        alerts.push(text);
        return new Response("ok");
      }),
  };
  const settings: Env = { ...env, BACKENDS: "[]", ALERT_WEBHOOK_URL: "https://chat.test/hook" };

  test("runs at its minute, tells a person what was missed or refused, and is silent when all is well", async () => {
    const lines: string[] = [];
    for (const method of ["log", "error"] as const)
      vi.spyOn(console, method).mockImplementation((text: string) => void lines.push(text));
    paid(900);
    const odd = happened("refund.created", { id: "re_odd", amount: -1, currency: "usd" });
    await reconcileDaily(settings, DAILY_MS + 60_000, ports);
    expect(await balance()).toBe(0);
    await reconcileDaily(settings, DAILY_MS, ports);
    expect(await balance()).toBe(9_000_000_000);
    expect(alerts).toEqual([
      expect.stringContaining("1 of 2 events had been missed and are in the books now, 1 are refused"),
    ]);
    expect(lines.join("\n")).toContain(`"event":"stripe_event_refused","id":"${odd.id}"`);
    stripe.events.pop();
    await reconcileDaily(settings, DAILY_MS, ports);
    expect(alerts).toHaveLength(1);
    stripe.behaviour = "is down";
    await reconcileDaily(settings, DAILY_MS, ports);
    expect(lines.at(-1)).toContain("reconcile_failed");
  });
});
