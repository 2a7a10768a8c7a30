// Stripe's routes that we call, in memory: sessions, payments, off-session charges with idempotency keys, and signed
// events as Stripe sends them.

import { hmac, importHmacKey } from "../../../shared/hmac.ts";
import { TEST_BINDINGS } from "../../support/test-bindings.ts";

export const STRIPE_ORIGIN = TEST_BINDINGS.STRIPE_API_ORIGIN;
const encoder = new TextEncoder();

interface FakePayment {
  id: string;
  status: string;
  currency: string;
  amount_received: number;
  metadata: Record<string, string>;
  customer: string | null;
  payment_method: string | null;
}

export class FakeStripe {
  readonly payments = new Map<string, FakePayment>();
  /** Idempotency key → payment. */
  readonly charges = new Map<string, FakePayment>();
  /** Charge → payment; null: it was made without one. */
  readonly chargeIds = new Map<string, string | null>();
  /** What happened, oldest first, delivered or not: Stripe's list of events, `pageSize` at a time. */
  readonly events: { readonly id: string; readonly type: string; readonly data: { readonly object: object } }[] = [];
  pageSize = 100;
  readonly forms: URLSearchParams[] = [];
  /** Idempotency keys of the pages that were opened. */
  readonly sessionKeys: string[] = [];
  readonly sessions = new Map<string, string>();
  /** What an off-session charge meets. */
  behaviour: "pays" | "declines" | "is down" | "pays, but the answer is lost" = "pays";
  #count = 0;

  newPayment(accountId: string, cents: number, id = `pi_${(this.#count += 1)}`): FakePayment {
    const payment = {
      id,
      status: "succeeded",
      currency: "usd",
      amount_received: cents,
      metadata: { account_id: accountId },
      customer: "cus_1",
      payment_method: "pm_1",
    };
    this.payments.set(id, payment);
    return payment;
  }

  /** Off-session charges of one account, each once however often it was asked for. */
  chargesOf(accountId: string): FakePayment[] {
    return [...this.charges.values()].filter(({ metadata }) => metadata["account_id"] === accountId);
  }

  fetch(url: string, init: RequestInit): Response {
    const path = url.slice(STRIPE_ORIGIN.length);
    if (this.behaviour === "is down") throw new TypeError("network");
    const headers = new Headers(init.headers);
    if (headers.get("authorization") !== `Bearer ${TEST_BINDINGS.STRIPE_SECRET_KEY}`)
      return stripeError(401, "Invalid API Key", "api_key_invalid");
    const form = new URLSearchParams(typeof init.body === "string" ? init.body : "");
    if (init.method === "POST") this.forms.push(form);
    if (path === "/v1/checkout/sessions") {
      const key = headers.get("idempotency-key") ?? "";
      this.sessionKeys.push(key);
      const before = this.sessions.get(key);
      if (before !== undefined && before !== form.toString())
        return stripeError(400, "Keys", undefined, "idempotency_error");
      this.sessions.set(key, form.toString());
      return Response.json({ id: "cs_1", url: "https://checkout.stripe.test/cs_1" });
    }
    if (path === "/v1/payment_intents") return this.#charge(form, headers.get("idempotency-key") ?? "");
    if (path.startsWith("/v1/events?")) return this.#list(new URLSearchParams(path.split("?")[1]));
    if (path.startsWith("/v1/charges/")) {
      const paymentId = this.chargeIds.get(path.slice("/v1/charges/".length));
      return paymentId === undefined
        ? stripeError(404, "No such charge", "resource_missing")
        : Response.json({ id: "ch", payment_intent: paymentId });
    }
    const payment = this.payments.get(path.slice("/v1/payment_intents/".length));
    return payment === undefined
      ? stripeError(404, "No such payment_intent", "resource_missing")
      : Response.json(payment);
  }

  #list(query: URLSearchParams): Response {
    const newest = this.events.filter(({ type }) => query.getAll("types[]").includes(type)).toReversed();
    const start = newest.findIndex(({ id }) => id === query.get("starting_after")) + 1;
    const data = newest.slice(start, start + this.pageSize);
    return Response.json({ object: "list", data, has_more: start + data.length < newest.length });
  }

  #charge(form: URLSearchParams, key: string): Response {
    if (this.behaviour === "declines") return stripeError(402, "Your card was declined.", "card_declined");
    const payment =
      this.charges.get(key) ?? this.newPayment(form.get("metadata[account_id]") ?? "", Number(form.get("amount")));
    this.charges.set(key, payment);
    if (this.behaviour === "pays, but the answer is lost") throw new TypeError("network");
    return Response.json(payment);
  }
}

function stripeError(status: number, message: string, code?: string, type = "invalid_request_error"): Response {
  return Response.json({ error: { message, type, ...(code === undefined ? {} : { code }) } }, { status });
}

/** Body and header of an event as Stripe would send it at `atS`. */
export async function signedEvent(
  type: string,
  object: object,
  atS = Math.floor(Date.now() / 1000),
  secret: string = TEST_BINDINGS.STRIPE_WEBHOOK_SECRET,
): Promise<{ readonly body: string; readonly headers: Record<string, string> }> {
  const body = JSON.stringify({ id: "evt_1", type, data: { object } });
  const mac = await hmac(await importHmacKey(secret), encoder.encode(`${atS}.${body}`));
  const hex = [...mac].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { body, headers: { "stripe-signature": `t=${atS},v1=${"0".repeat(64)},v1=${hex}` } };
}
