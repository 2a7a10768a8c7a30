// The calls that we make to Stripe, as forms over fetch, and its events' signatures. Stripe's own package would add
// 33 KB (compressed) to the Worker for them (docs/decisions/stripe.md). Amounts towards Stripe are cents, here nano-USD.
// Source: docs.stripe.com/api (checkout/sessions, payment_intents, refunds, errors, idempotent_requests),
// docs.stripe.com/webhooks (manual verification).

import * as z from "zod";
import { equalBytes, hmac, importHmacKey } from "../../shared/hmac.ts";
import type { AccountId, Id } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { centsOf, centsSchema } from "./cents.ts";
import { judgePayment } from "./payment.ts";
import type { PaymentFound } from "./payment.ts";

const API_VERSION = "2025-03-31.basil";
const DEFAULT_ORIGIN = "https://api.stripe.com";
const ANSWER_MS = 20_000;
/** On the page, the invoice and the receipt. */
export const CREDIT = "Embedding credit";
/** Older than this, a signature may be a replay. Stripe signs each delivery anew. */
const SIGNATURE_AGE_S_MAX = 300;
const encoder = new TextEncoder();

export interface StripeSettings {
  /** Both or neither: a deployment that takes money must hear of it. */
  readonly STRIPE_SECRET_KEY?: string;
  readonly STRIPE_WEBHOOK_SECRET?: string;
  /** Accepted as well while the endpoint's secret is rolled. */
  readonly STRIPE_WEBHOOK_SECRET_PREVIOUS?: string;
  /** `true`: Stripe adds tax on its page. Needs Stripe Tax, set up in its dashboard. */
  readonly STRIPE_AUTOMATIC_TAX?: string;
  /** Another origin for tests. */
  readonly STRIPE_API_ORIGIN?: string;
}

const chargeSchema = z.object({ payment_intent: z.nullable(z.string()).default(null) });
const refundableSchema = z.object({ latest_charge: z.object({ amount_refunded: centsSchema }) });
const checkoutSchema = z.object({ id: z.string(), url: z.url() });
const errorSchema = z.object({
  error: z.object({ message: z.string().optional(), code: z.string().optional(), type: z.string().optional() }),
});

interface Said {
  readonly status?: number | undefined;
  readonly code?: string | undefined;
  readonly type?: string | undefined;
}

/** Stripe refused, or could not be reached. */
export class StripeError extends Error {
  override name = "StripeError";
  /** Of the answer; undefined: none came, or none that could be read. */
  readonly status: number | undefined;
  /** Stripe's own, for a declined card `card_declined`. */
  readonly code: string | undefined;
  /** As `idempotency_error`: other parameters under a key that was used. */
  readonly type: string | undefined;
  constructor(message: string, { status, code, type }: Said = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.type = type;
  }

  /**
   * Whether what was asked was not done and never will be. Otherwise it may have been: no answer, a fault of Stripe's
   * (5xx), the same call at work (409), too many calls (429), or an earlier call under the same key.
   */
  get isRefusal(): boolean {
    const { status = 0, type } = this;
    return status >= 400 && status < 500 && status !== 409 && status !== 429 && type !== "idempotency_error";
  }

  /** Whether it is our key that was refused: nobody's card, and no request of its own, is at fault. */
  get isOurKey(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

export interface CheckoutRequest {
  readonly accountId: AccountId;
  readonly amountNanoUsd: NanoUsd;
  readonly email: string | undefined;
  readonly successUrl: string;
  readonly cancelUrl: string;
  readonly automaticTax: boolean;
  /** The same key again is the same session. */
  readonly idempotencyKey: string;
}

/** A refund as Stripe has it. */
const refundSchema = z.object({
  id: z.string().min(1),
  /** `pending`, `requires_action`, `succeeded`, `failed`, `canceled`. */
  status: z.nullable(z.string()),
  metadata: z.looseObject({ refund_id: z.string().optional() }).default({}),
});
export type StripeRefund = z.output<typeof refundSchema>;
const refundListSchema = z.object({ data: z.array(refundSchema) });

export interface RefundOrder {
  /** Ours: it stands in the refund's metadata, by which its events are known. */
  readonly id: Id<"refund">;
  readonly paymentId: string;
  /** Tax included. */
  readonly cents: number;
  readonly reason?: RefundReason;
}

/** Stripe's words; for a customer and a bank to read. */
export const REFUND_REASONS = ["requested_by_customer", "duplicate", "fraudulent"] as const;
type RefundReason = (typeof REFUND_REASONS)[number];

/** What a receipt says, and where it goes. */
export interface Receipt {
  readonly description: string;
  readonly email?: string;
}

export class Stripe {
  readonly #secretKey: string;
  readonly #origin: string;

  /** `settings.STRIPE_SECRET_KEY` must be there. */
  constructor(secretKey: string, origin: string = DEFAULT_ORIGIN) {
    this.#secretKey = secretKey;
    this.#origin = origin;
  }

  /**
   * A page of Stripe's on which the customer pays; keeps the card for automatic top-ups, makes an invoice, and mails a
   * receipt where the address is known. Throws StripeError.
   */
  async createCheckout(request: CheckoutRequest): Promise<{ readonly id: string; readonly url: string }> {
    const cents = String(centsOf(request.amountNanoUsd));
    const form = {
      mode: "payment",
      client_reference_id: request.accountId,
      customer_creation: "always",
      ...(request.email !== undefined && { customer_email: request.email }),
      success_url: request.successUrl,
      cancel_url: request.cancelUrl,
      "line_items[0][quantity]": "1",
      "line_items[0][price_data][currency]": "usd",
      "line_items[0][price_data][unit_amount]": cents,
      "line_items[0][price_data][tax_behavior]": "exclusive",
      "line_items[0][price_data][product_data][name]": CREDIT,
      "payment_intent_data[metadata][account_id]": request.accountId,
      // With tax the payment is more than the price, and only this says what it brings (payment.ts).
      "payment_intent_data[metadata][credit_cents]": cents,
      "payment_intent_data[description]": CREDIT,
      ...(request.email !== undefined && { "payment_intent_data[receipt_email]": request.email }),
      "payment_intent_data[setup_future_usage]": "off_session",
      "invoice_creation[enabled]": "true",
      // Said either way: an account at Stripe may have a default.
      "automatic_tax[enabled]": String(request.automaticTax),
      ...(request.automaticTax && { "tax_id_collection[enabled]": "true" }),
    };
    return checkoutSchema.parse(await this.#call("POST", "/v1/checkout/sessions", form, request.idempotencyKey));
  }

  /** A list, as Stripe answers it. Throws StripeError. */
  async list(path: string): Promise<unknown> {
    return this.#call("GET", path);
  }

  /** What is known of a payment by its id. Throws StripeError. */
  async payment(id: string): Promise<PaymentFound> {
    return this.#look(`/v1/payment_intents/${encodeURIComponent(id)}`, judgePayment, { kind: "not_ours" });
  }

  /** The same, with how much of its money went back already. Throws StripeError. */
  async refundable(id: string): Promise<{ readonly found: PaymentFound; readonly refundedCents: number }> {
    const path = `/v1/payment_intents/${encodeURIComponent(id)}?expand[]=latest_charge`;
    return this.#look<{ found: PaymentFound; refundedCents: number }>(
      path,
      (value) => {
        const found = judgePayment(value);
        const refundedCents = refundableSchema.safeParse(value).data?.latest_charge.amount_refunded;
        if (refundedCents !== undefined) return { found, refundedCents };
        return { found: found.kind === "paid" ? { kind: "unreadable" } : found, refundedCents: 0 };
      },
      { found: { kind: "not_ours" }, refundedCents: 0 },
    );
  }

  /** Asks once, however often it is called for one order within 24 hours. Throws StripeError. */
  async refund({ id, paymentId, cents, reason }: RefundOrder): Promise<StripeRefund> {
    const form = {
      payment_intent: paymentId,
      amount: String(cents),
      ...(reason !== undefined && { reason }),
      "metadata[refund_id]": id,
    };
    return readable(refundSchema, await this.#call("POST", "/v1/refunds", form, `refund:${id}`));
  }

  /** What became of an order that may have been asked before; undefined: Stripe has no such refund. Throws StripeError. */
  async findRefund({ id, paymentId }: RefundOrder): Promise<StripeRefund | undefined> {
    const query = new URLSearchParams({ payment_intent: paymentId, limit: "100" });
    const { data } = readable(refundListSchema, await this.list(`/v1/refunds?${query.toString()}`));
    return data.find(({ metadata }) => metadata.refund_id === id);
  }

  /** The payment that a charge belongs to; undefined: none, as where it was made otherwise than by us. Throws StripeError. */
  async paymentOfCharge(id: string): Promise<string | undefined> {
    const found = (charge: unknown) => chargeSchema.parse(charge).payment_intent ?? undefined;
    return this.#look(`/v1/charges/${encodeURIComponent(id)}`, found, undefined);
  }

  /** `nothing`: where Stripe knows no such thing, which is then another account's. */
  async #look<Found>(path: string, found: (value: unknown) => Found, nothing: Found): Promise<Found> {
    try {
      return found(await this.#call("GET", path));
    } catch (error) {
      if (error instanceof StripeError && error.code === "resource_missing") return nothing;
      throw error;
    }
  }

  /** Charges a card that the customer left for this. Throws StripeError, for a declined card too. */
  async chargeOffSession(charge: {
    readonly accountId: AccountId;
    readonly amountNanoUsd: NanoUsd;
    readonly customer: string;
    readonly paymentMethod: string;
    readonly idempotencyKey: string;
    readonly receipt: Receipt | undefined;
  }): Promise<PaymentFound> {
    const form = {
      amount: String(centsOf(charge.amountNanoUsd)),
      currency: "usd",
      customer: charge.customer,
      payment_method: charge.paymentMethod,
      off_session: "true",
      confirm: "true",
      "metadata[account_id]": charge.accountId,
      ...(charge.receipt !== undefined && { description: charge.receipt.description }),
      ...(charge.receipt?.email !== undefined && { receipt_email: charge.receipt.email }),
    };
    return judgePayment(await this.#call("POST", "/v1/payment_intents", form, charge.idempotencyKey));
  }

  async #call(method: string, path: string, form?: Record<string, string>, idempotencyKey?: string): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(this.#origin + path, {
        method,
        headers: {
          authorization: `Bearer ${this.#secretKey}`,
          "stripe-version": API_VERSION,
          ...(form !== undefined && { "content-type": "application/x-www-form-urlencoded" }),
          ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
        },
        signal: AbortSignal.timeout(ANSWER_MS),
        ...(form !== undefined && { body: new URLSearchParams(form).toString() }),
      });
    } catch (error) {
      throw new StripeError(`Stripe cannot be reached: ${error instanceof Error ? error.name : "unknown"}`);
    }
    const body: unknown = await response.json().catch(() => undefined);
    if (response.ok) return body;
    const said = errorSchema.safeParse(body);
    const { message, code, type } = said.success ? said.data.error : {};
    throw new StripeError(message ?? `Stripe answered ${response.status}`, { status: response.status, code, type });
  }
}

/** An answer that cannot be read says nothing of what was done. Throws StripeError. */
function readable<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new StripeError("Stripe's answer is not of the shape that is known here.");
}

/** Whether `header` (`Stripe-Signature`: `t=…,v1=…,v1=…`) signs `payload` under one of `secrets`, not too long ago. */
export async function verifySignature(
  payload: string,
  header: string | undefined,
  secrets: readonly string[],
  nowMs: number,
): Promise<boolean> {
  const parts = (header ?? "").split(",").map((part) => part.trim().split("=", 2));
  const timestamp = parts.find(([name]) => name === "t")?.[1] ?? "";
  const signatures = parts.flatMap(([name, value]) => (name === "v1" && value !== undefined ? [value] : []));
  if (!/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(nowMs / 1000 - Number(timestamp)) > SIGNATURE_AGE_S_MAX) return false;
  const signed = encoder.encode(`${timestamp}.${payload}`);
  const expected = await Promise.all(secrets.map(async (secret) => hmac(await importHmacKey(secret), signed)));
  let matches = false;
  // Every pair is compared, in constant time each: nothing is learned from how long it takes.
  for (const wanted of expected)
    for (const given of signatures) matches = equalBytes(bytesOf(given), wanted) || matches;
  return matches;
}

/** Bytes of lower-case hex; of anything else none, which equals no signature. */
function bytesOf(hex: string): Uint8Array {
  if (!/^([0-9a-f]{2})+$/.test(hex)) return new Uint8Array();
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
