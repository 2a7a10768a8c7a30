// The Stripe routes that we call, in memory, as docs.stripe.com/api describes them: unknown parameters are refused, an
// idempotency key returns its first answer (declines and 500s too) or refuses other parameters, and no more is refunded
// than was paid. Also signed events as Stripe sends them.

import { hmac, importHmacKey } from "../../shared/hmac.ts";
import { TEST_BINDINGS } from "./test-bindings.ts";

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

interface FakeCharge {
  readonly id: string;
  readonly amount: number;
  amount_refunded: number;
  disputed: boolean;
  readonly payment_intent: string;
}

export interface FakeRefund {
  readonly id: string;
  readonly object: "refund";
  readonly amount: number;
  readonly currency: "usd";
  readonly payment_intent: string;
  readonly charge: string;
  readonly reason: string | null;
  readonly metadata: Record<string, string>;
  status: string;
}

type Behaviour =
  | "works"
  | "declines"
  | "wants the cardholder"
  | "is down"
  | "is busy"
  | "refuses our key"
  /** The calls have their effect, but their answers are lost. */
  | "works, but the answer is lost"
  | "works, but answers 500"
  | "answers 500";

/** The parameters of each POST. */
const PARAMETERS: Readonly<Record<string, RegExp>> = {
  "/v1/checkout/sessions":
    /^(mode|client_reference_id|customer_creation|customer_email|success_url|cancel_url|line_items\[0\]\[(quantity|price_data\]\[(currency|unit_amount|tax_behavior|product_data\]\[name))\]|payment_intent_data\[(metadata\]\[\w+|description|receipt_email|setup_future_usage)\]|invoice_creation\[enabled\]|automatic_tax\[enabled\]|tax_id_collection\[enabled\])$/,
  "/v1/payment_intents":
    /^(amount|currency|customer|payment_method|off_session|confirm|description|receipt_email|metadata\[\w+\])$/,
  "/v1/refunds": /^(payment_intent|amount|reason|metadata\[\w+\])$/,
};

interface Saved {
  readonly request: string;
  readonly status: number;
  readonly body: unknown;
}

export class FakeStripe {
  readonly payments = new Map<string, FakePayment>();
  /** Charges by payment. */
  readonly charges = new Map<string, FakeCharge>();
  readonly refunds: FakeRefund[] = [];
  /** Charge → payment; null: it was made without one. */
  readonly chargeIds = new Map<string, string | null>();
  /** All events, oldest first, delivered or not: Stripe lists them `pageSize` at a time. */
  readonly events: { readonly id: string; readonly type: string; readonly data: { readonly object: object } }[] = [];
  pageSize = 100;
  readonly forms: URLSearchParams[] = [];
  /** Idempotency keys of the checkout pages that were opened. */
  readonly sessionKeys: string[] = [];
  behaviour: Behaviour = "works";
  /** The status of a new refund. */
  refundStatus = "succeeded";
  readonly #offSession: FakePayment[] = [];
  readonly #saved = new Map<string, Saved>();
  #count = 0;

  newPayment(
    accountId: string,
    cents: number,
    id = `pi_${(this.#count += 1)}`,
    metadata: Record<string, string> = {},
  ): FakePayment {
    const payment = {
      id,
      status: "succeeded",
      currency: "usd",
      amount_received: cents,
      metadata: { account_id: accountId, ...metadata },
      customer: "cus_1",
      payment_method: "pm_1",
    };
    this.payments.set(id, payment);
    const charge = { id: `ch_of_${id}`, amount: cents, amount_refunded: 0, disputed: false, payment_intent: id };
    this.charges.set(id, charge);
    this.chargeIds.set(charge.id, id);
    return payment;
  }

  /** The customer pays on the page that was opened last; `taxPercent` of the price is added if tax is on. */
  payCheckout(taxPercent = 0): FakePayment {
    const form = this.forms.findLast((one) => one.get("mode") === "payment") ?? new URLSearchParams();
    const price = Number(form.get("line_items[0][price_data][unit_amount]"));
    const tax = form.get("automatic_tax[enabled]") === "true" ? Math.round((price * taxPercent) / 100) : 0;
    return this.newPayment("", price + tax, undefined, metadataOf(form, "payment_intent_data[metadata]"));
  }

  /** Off-session charges of one account, each once however often it was requested. */
  chargesOf(accountId: string): FakePayment[] {
    return this.#offSession.filter(({ metadata }) => metadata["account_id"] === accountId);
  }

  /** A refund by this API, or by hand in Stripe's dashboard. Throws Refusal. */
  newRefund(paymentId: string, amount: number, fields: Partial<FakeRefund> = {}): FakeRefund {
    const charge = this.charges.get(paymentId);
    if (charge === undefined) throw new Refusal(404, `No such payment_intent: '${paymentId}'`, "resource_missing");
    const left = charge.amount - charge.amount_refunded;
    if (charge.disputed) throw new Refusal(400, `Charge ${charge.id} has been charged back.`, "charge_disputed");
    if (left === 0) throw new Refusal(400, `Charge ${charge.id} has already been refunded.`, "charge_already_refunded");
    if (!Number.isInteger(amount) || amount < 1) throw new Refusal(400, "Invalid integer", "parameter_invalid_integer");
    if (amount > left) {
      const [asked, there] = [amount, left].map((value) => `$${(value / 100).toFixed(2)}`);
      throw new Refusal(400, `Refund amount (${asked}) is greater than unrefunded amount on charge (${there})`);
    }
    charge.amount_refunded += amount;
    const refund: FakeRefund = {
      id: `re_${paymentId}_${(this.#count += 1)}`,
      object: "refund",
      amount,
      currency: "usd",
      payment_intent: paymentId,
      charge: charge.id,
      reason: null,
      metadata: {},
      status: this.refundStatus,
      ...fields,
    };
    this.refunds.push(refund);
    this.#happened("refund.created", { ...refund });
    this.#happened("charge.refunded", { ...charge, object: "charge" });
    return refund;
  }

  /** Forgets idempotency keys, as Stripe does after a day. */
  forgetKeys(): void {
    this.#saved.clear();
  }

  /** The bank returns the money of a refund. */
  failRefund(refund: FakeRefund): FakeRefund {
    refund.status = "failed";
    const charge = this.charges.get(refund.payment_intent);
    if (charge !== undefined) charge.amount_refunded -= refund.amount;
    this.#happened("refund.updated", { ...refund });
    this.#happened("refund.failed", { ...refund });
    return refund;
  }

  fetch(url: string, init: RequestInit): Response {
    const { pathname: path, searchParams: query } = new URL(url);
    if (this.behaviour === "is down") throw new TypeError("network");
    const headers = new Headers(init.headers);
    if (headers.get("authorization") !== `Bearer ${TEST_BINDINGS.STRIPE_SECRET_KEY}`)
      return refused(401, "Invalid API Key provided");
    if (this.behaviour === "is busy") return refused(429, "Too many requests", "rate_limit");
    if (init.method === "POST") return this.#post(path, init, headers.get("idempotency-key"));
    if (path === "/v1/events") return this.#list(query);
    if (path === "/v1/refunds") {
      const data = this.refunds.filter(({ payment_intent: id }) => id === query.get("payment_intent"));
      return Response.json({ object: "list", data: data.toReversed(), has_more: false });
    }
    if (path.startsWith("/v1/charges/")) {
      const paymentId = this.chargeIds.get(path.slice("/v1/charges/".length));
      return paymentId === undefined
        ? refused(404, "No such charge", "resource_missing")
        : Response.json({ id: "ch", payment_intent: paymentId });
    }
    const payment = this.payments.get(path.slice("/v1/payment_intents/".length));
    if (payment === undefined) return refused(404, "No such payment_intent", "resource_missing");
    const charge = this.charges.get(payment.id);
    return Response.json({
      ...payment,
      latest_charge: query.get("expand[]") === "latest_charge" ? charge : charge?.id,
    });
  }

  #post(path: string, init: RequestInit, key: string | null): Response {
    const form = new URLSearchParams(typeof init.body === "string" ? init.body : "");
    const unknown = [...form.keys()].find((name) => PARAMETERS[path]?.test(name) !== true);
    if (unknown !== undefined) return refused(400, `Received unknown parameter: ${unknown}`, "parameter_unknown");
    this.forms.push(form);
    if (path === "/v1/checkout/sessions") this.sessionKeys.push(key ?? "");
    const request = `${path}?${form.toString()}`;
    const before = key === null ? undefined : this.#saved.get(key);
    if (before !== undefined && before.request !== request)
      return refused(
        400,
        "Keys for idempotent requests can only be used with the same parameters they were first used with.",
        undefined,
        "idempotency_error",
      );
    const saved = before ?? { request, ...this.#execute(path, form) };
    if (key !== null) this.#saved.set(key, saved);
    if (this.behaviour === "works, but the answer is lost") throw new TypeError("network");
    return Response.json(saved.body, { status: saved.status });
  }

  #execute(path: string, form: URLSearchParams): { readonly status: number; readonly body: unknown } {
    const fault = { status: 500, body: { error: { type: "api_error", message: "An unknown error occurred." } } };
    if (this.behaviour === "answers 500") return fault;
    if (this.behaviour === "refuses our key")
      return { status: 403, body: new Refusal(403, "The provided key does not have the required permissions.").body };
    try {
      const body = this.#do(path, form);
      return this.behaviour === "works, but answers 500" ? fault : { status: 200, body };
    } catch (error) {
      if (error instanceof Refusal) return { status: error.status, body: error.body };
      throw error;
    }
  }

  /** Throws Refusal. */
  #do(path: string, form: URLSearchParams): object {
    if (path === "/v1/checkout/sessions") return { id: "cs_1", url: "https://checkout.stripe.test/cs_1" };
    const [amount, metadata] = [Number(form.get("amount")), metadataOf(form, "metadata")];
    if (path === "/v1/refunds") {
      return { ...this.newRefund(form.get("payment_intent") ?? "", amount, { metadata, reason: form.get("reason") }) };
    }
    if (this.behaviour === "declines") throw new Refusal(402, "Your card was declined.", "card_declined", "card_error");
    if (this.behaviour === "wants the cardholder")
      throw new Refusal(402, "This transaction requires authentication.", "authentication_required", "card_error");
    const payment = this.newPayment("", amount, undefined, metadata);
    this.#offSession.push(payment);
    return payment;
  }

  #happened(type: string, object: object): void {
    this.events.push({ id: `evt_${(this.#count += 1)}`, type, data: { object } });
  }

  #list(query: URLSearchParams): Response {
    const newest = this.events.filter(({ type }) => query.getAll("types[]").includes(type)).toReversed();
    const start = newest.findIndex(({ id }) => id === query.get("starting_after")) + 1;
    const data = newest.slice(start, start + this.pageSize);
    return Response.json({ object: "list", data, has_more: start + data.length < newest.length });
  }
}

function metadataOf(form: URLSearchParams, prefix: string): Record<string, string> {
  const named = [...form].filter(([name]) => name.startsWith(`${prefix}[`));
  return Object.fromEntries(named.map(([name, value]) => [name.slice(prefix.length + 1, -1), value]));
}

/** An error in Stripe's shape. */
class Refusal extends Error {
  readonly status: number;
  readonly body: object;
  constructor(status: number, message: string, code?: string, type = "invalid_request_error") {
    super(message);
    this.status = status;
    this.body = { error: { message, type, ...(code === undefined ? {} : { code }) } };
  }
}

function refused(...words: ConstructorParameters<typeof Refusal>): Response {
  const { status, body } = new Refusal(...words);
  return Response.json(body, { status });
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
