// Our calls to Stripe, as forms over fetch, and the signatures of its events. Stripe's own package would add 33 KB
// (compressed) to the Worker for them (docs/decisions/stripe.md). Stripe's amounts are cents; ours are nano-USD.
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
/** Our product's name on Stripe's page, the invoice and the receipt. */
export const CREDIT = "Embedding credit";
/** Below the 24 hours after which Stripe forgets an idempotency key: the same call could then act a second time. */
export const SAME_KEY_MS_MAX = 20 * 3_600_000;
const RETRY_MS = [60_000, 300_000, 1_800_000, 7_200_000] as const;
/** An older signature may be a replay: Stripe signs each delivery again. */
const SIGNATURE_AGE_S_MAX = 300;
const encoder = new TextEncoder();

export interface StripeSettings {
  /** Both or neither: a deployment that takes money must receive its events. */
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

/** Stripe refused a call, or could not be reached. */
export class StripeError extends Error {
  override name = "StripeError";
  /** The answer's status; undefined: there was no readable answer. */
  readonly status: number | undefined;
  /** Stripe's error code, for example `card_declined`. */
  readonly code: string | undefined;
  /** Stripe's error type, for example `idempotency_error`: other parameters under a used key. */
  readonly type: string | undefined;
  constructor(message: string, { status, code, type }: Said = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.type = type;
  }

  /**
   * Whether the call certainly had no effect. Otherwise it may have had one: there was no answer, Stripe had a fault
   * (5xx), the same call is running (409), there were too many calls (429), or there was an earlier call under the same
   * key.
   */
  get isRefusal(): boolean {
    const { status = 0, type } = this;
    return status >= 400 && status < 500 && status !== 409 && status !== 429 && type !== "idempotency_error";
  }

  /** Whether Stripe refused our API key, so that neither a card nor the request is at fault. */
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
  /** Repeating the key returns the same checkout session. */
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
  /** Our own id, written into the refund's metadata so that its events can be recognised. */
  readonly id: Id<"refund">;
  readonly paymentId: string;
  /** Tax included. */
  readonly cents: number;
  readonly reason?: RefundReason;
}

/** Stripe's reasons, which the customer and the bank can see. */
export const REFUND_REASONS = ["requested_by_customer", "duplicate", "fraudulent"] as const;
type RefundReason = (typeof REFUND_REASONS)[number];

/** When to repeat a call of which `tries` tries had no clear answer. */
export function nextTry(tries: number, nowMs: number): number {
  return nowMs + (RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? RETRY_MS[0]);
}

/** The text of a receipt and its address. */
export interface Receipt {
  readonly description: string;
  readonly email?: string;
}

export class Stripe {
  readonly #secretKey: string;
  readonly #origin: string;

  constructor(secretKey: string, origin: string = DEFAULT_ORIGIN) {
    this.#secretKey = secretKey;
    this.#origin = origin;
  }

  /**
   * Creates a Stripe page on which the customer pays. It saves the card for automatic top-ups, makes an invoice, and
   * mails a receipt if the address is known. Throws StripeError.
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
      // With tax the payment is more than the price, and only this says how much credit it brings (payment.ts).
      "payment_intent_data[metadata][credit_cents]": cents,
      "payment_intent_data[description]": CREDIT,
      ...(request.email !== undefined && { "payment_intent_data[receipt_email]": request.email }),
      "payment_intent_data[setup_future_usage]": "off_session",
      "invoice_creation[enabled]": "true",
      // Always sent, because the Stripe account may have another default.
      "automatic_tax[enabled]": String(request.automaticTax),
      ...(request.automaticTax && { "tax_id_collection[enabled]": "true" }),
    };
    return checkoutSchema.parse(await this.#call("POST", "/v1/checkout/sessions", form, request.idempotencyKey));
  }

  /** A list in Stripe's own shape. Throws StripeError. */
  async list(path: string): Promise<unknown> {
    return this.#call("GET", path);
  }

  /** Reads a payment by its id. Throws StripeError. */
  async payment(id: string): Promise<PaymentFound> {
    return this.#look(`/v1/payment_intents/${encodeURIComponent(id)}`, judgePayment, { kind: "not_ours" });
  }

  /** Reads a payment and how much of its money was already refunded. Throws StripeError. */
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

  /** Orders a refund; repeating one order within 24 hours has no further effect. Throws StripeError. */
  async refund({ id, paymentId, cents, reason }: RefundOrder): Promise<StripeRefund> {
    const form = {
      payment_intent: paymentId,
      amount: String(cents),
      ...(reason !== undefined && { reason }),
      "metadata[refund_id]": id,
    };
    return readable(refundSchema, await this.#call("POST", "/v1/refunds", form, `refund:${id}`));
  }

  /** Finds the refund of an order that may have been sent before; undefined: Stripe has none. Throws StripeError. */
  async findRefund({ id, paymentId }: RefundOrder): Promise<StripeRefund | undefined> {
    const query = new URLSearchParams({ payment_intent: paymentId, limit: "100" });
    const { data } = readable(refundListSchema, await this.list(`/v1/refunds?${query.toString()}`));
    return data.find(({ metadata }) => metadata.refund_id === id);
  }

  /** The payment that a charge belongs to; undefined: none, so it was not made by us. Throws StripeError. */
  async paymentOfCharge(id: string): Promise<string | undefined> {
    const found = (charge: unknown) => chargeSchema.parse(charge).payment_intent ?? undefined;
    return this.#look(`/v1/charges/${encodeURIComponent(id)}`, found, undefined);
  }

  /** `nothing`: the result if Stripe does not have it, which means that it is not ours. */
  async #look<Found>(path: string, found: (value: unknown) => Found, nothing: Found): Promise<Found> {
    try {
      return found(await this.#call("GET", path));
    } catch (error) {
      if (error instanceof StripeError && error.code === "resource_missing") return nothing;
      throw error;
    }
  }

  /** Charges a saved card without the customer present. Throws StripeError, for a declined card too. */
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

/** Parses Stripe's answer. Throws StripeError: an unreadable answer leaves the outcome unknown. */
function readable<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new StripeError("Stripe's answer is not of the shape that is known here.");
}

/** Whether `header` (`Stripe-Signature`: `t=…,v1=…,v1=…`) is a recent signature of `payload` under one of `secrets`. */
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
  // Every pair is compared in constant time, so that the duration reveals nothing.
  for (const wanted of expected)
    for (const given of signatures) matches = equalBytes(bytesOf(given), wanted) || matches;
  return matches;
}

/** The bytes of lower-case hex; empty for anything else, which equals no signature. */
function bytesOf(hex: string): Uint8Array {
  if (!/^([0-9a-f]{2})+$/.test(hex)) return new Uint8Array();
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
