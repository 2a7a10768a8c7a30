// What the tests of refunds share: the Worker in front of Stripe's routes in memory, accounts that paid, and objects that
// die. One a test file.

import { env, runInDurableObject } from "cloudflare:test";
import { expect, vi } from "vitest";
import type { Env } from "../../../edge/bindings.ts";
import { must } from "../../../shared/assert.ts";
import type { KeyId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";
import { MODEL, fetchOf } from "../support/fake-backends.ts";
import { FakeStripe, STRIPE_ORIGIN, signedEvent } from "../../support/fake-stripe.ts";

export const TOLD = "https://told.example.com/";
export const HOUR_MS = 3_600_000;

export interface Payer {
  readonly id: string;
  readonly key: string;
  readonly payment: string;
}

export const stubOf = (id: string) => env.ACCOUNT.get(env.ACCOUNT.idFromName(id));

export class PayingWorld {
  readonly api: Api;
  stripe = new FakeStripe();
  /** Sees each POST to Stripe before it is done; `true`: it is never answered, as where an object dies waiting. */
  onPost: ((url: string, init: RequestInit) => boolean) | undefined;
  /** What webhooks and mail below `TOLD` got. */
  readonly told: { readonly url: string; readonly body: Record<string, unknown> }[] = [];
  #keys = 0;

  constructor(settings: Partial<Env> = {}) {
    this.api = new Api(settings);
    globalThis.fetch = (input, init = {}) => {
      const url = input instanceof Request ? input.url : String(input);
      if (url.startsWith(TOLD)) {
        this.told.push({ url, body: JSON.parse(init.body as string) as Record<string, unknown> });
        return Promise.resolve(new Response(null));
      }
      if (!url.startsWith(STRIPE_ORIGIN)) return fetchOf([this.api.backend])(url, init);
      if (init.method === "POST" && this.onPost?.(url, init) === true) return new Promise(() => undefined);
      return Promise.resolve().then(() => this.stripe.fetch(url, init));
    };
  }

  begin(): void {
    this.stripe = new FakeStripe();
    this.onPost = undefined;
    this.told.length = 0;
  }

  /** An account with $5 of promo credit that paid `cents`, of which `creditCents` are credit. */
  async payer(cents = 2000, creditCents = cents): Promise<Payer> {
    const account = await this.api.newAccount();
    const metadata = { credit_cents: String(creditCents) };
    const payment = this.stripe.newPayment(account.id, cents, `pi_${account.id.slice(5)}`, metadata);
    await this.deliver("payment_intent.succeeded", payment);
    return { ...account, payment: payment.id };
  }

  async deliver(type: string, object: object, status = 200): Promise<void> {
    const { body, headers } = await signedEvent(type, object);
    expect((await this.api.call("/stripe/webhook", { body, headers })).status).toBe(status);
  }

  /** Every event of the fake so far, as Stripe may deliver them: in any order, twice. */
  async deliverAll(order: "forwards" | "backwards" = "forwards"): Promise<void> {
    const events = order === "forwards" ? this.stripe.events : this.stripe.events.toReversed();
    for (const { type, data } of [...events, ...events]) await this.deliver(type, data.object);
  }

  refund({ id, payment }: Pick<Payer, "id" | "payment">, more: object = {}, key?: string): Promise<ApiAnswer> {
    this.#keys += 1;
    const headers = { authorization: `Bearer ${env.ADMIN_KEY}`, "idempotency-key": key ?? `key-${this.#keys}` };
    return this.api.call(`/admin/accounts/${id}/refunds`, { headers, body: { payment, ...more } });
  }

  /** The books in USD, what Stripe paid back in cents, and the statement's kinds, newest first. */
  async stateOf({ id, key, payment }: Payer) {
    const { body } = await this.api.admin(`/admin/accounts/${id}`);
    const lines = (await this.api.call("/v1/transactions", { key })).body["data"] as { kind: string }[] | undefined;
    return {
      balance: Number(body["balance_nano_usd"]) / 1e9,
      refunded: Number(body["refunded_nano_usd"]) / 1e9,
      receivable: body["receivable_nano_usd"],
      status: body["status"],
      paidBack: must(this.stripe.charges.get(payment), "charge").amount_refunded,
      kinds: lines?.map(({ kind }) => kind),
    };
  }

  /** Charges `usd` as a slice of a batch does, or only reserves it. */
  async spend({ id, key }: Payer, usd: number, isHeld = false): Promise<void> {
    const stub = stubOf(id);
    const keyId = String((await this.api.call("/v1/key", { key })).body["id"]) as KeyId;
    const cost = nanoUsd(usd * 1e9);
    const attempt = { batchId: `batch-${usd}`, slice: 0, attempt: 1, keyId };
    const uses = { scopes: [], models: [MODEL] };
    expect(await stub.reserveBatch({ ...attempt, uses }, cost)).toEqual({ kind: "reserved" });
    if (isHeld) return;
    const minute = Math.floor(Date.now() / 60_000);
    const counts = { requests: 1, tokens: 1, cachedTokens: 0, errors4xx: 0, errors5xx: 0 };
    const line = {
      model: MODEL,
      tier: "batch",
      minute,
      ...counts,
      costNanoUsd: cost,
      savedNanoUsd: nanoUsd(0),
      latency: {},
    } as const;
    await stub.chargeBatch({ ...attempt, costNanoUsd: cost, lines: [line], receipt: "" });
  }

  /** The object dies where it stands, and its call is a 500; the next one starts another life over the same storage. */
  async crash(id: string): Promise<void> {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    await runInDurableObject(stubOf(id), (_, state) => state.abort("crash")).catch(() => undefined);
  }

  /** The object's clock, in this life, is `ms` ahead. */
  async passTime(id: string, ms: number): Promise<void> {
    await runInDurableObject(stubOf(id), (object) => {
      (object as unknown as { nowMs: () => number }).nowMs = () => Date.now() + ms;
    });
  }
}
