// The calls that we make to Stripe, as forms over fetch, and its events' signatures. Stripe's own package would add
// 33 KB (compressed) to the Worker for them (docs/decisions/stripe.md). Amounts towards Stripe are cents, here nano-USD.
// Source: docs.stripe.com/api (checkout/sessions, payment_intents), docs.stripe.com/webhooks (manual verification).

import * as z from "zod";
import { equalBytes, hmac, importHmacKey } from "../../shared/hmac.ts";
import type { AccountId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { NANO_USD_PER_CENT } from "./cents.ts";
import { judgePayment } from "./payment.ts";
import type { PaymentFound } from "./payment.ts";

const API_VERSION = "2025-03-31.basil";
const DEFAULT_ORIGIN = "https://api.stripe.com";
const ANSWER_MS = 20_000;
/** Older than this, a signature may be a replay. Stripe signs each delivery anew. */
const SIGNATURE_AGE_S_MAX = 300;
const encoder = new TextEncoder();

export interface StripeSettings {
  /** Both or neither: a deployment that takes money must hear of it. */
  readonly STRIPE_SECRET_KEY?: string;
  readonly STRIPE_WEBHOOK_SECRET?: string;
  /** Accepted as well while the endpoint's secret is rolled. */
  readonly STRIPE_WEBHOOK_SECRET_PREVIOUS?: string;
  /** Another origin for tests. */
  readonly STRIPE_API_ORIGIN?: string;
}

const chargeSchema = z.object({ payment_intent: z.nullable(z.string()).default(null) });
const checkoutSchema = z.object({ id: z.string(), url: z.url() });
const errorSchema = z.object({
  error: z.object({ message: z.string().optional(), code: z.string().optional(), type: z.string().optional() }),
});

/** Stripe refused, or could not be reached. `code`: Stripe's own, for a declined card `card_declined`. */
export class StripeError extends Error {
  override name = "StripeError";
  readonly code: string | undefined;
  /** As `idempotency_error`: other parameters under a key that was used. */
  readonly type: string | undefined;
  constructor(message: string, code?: string, type?: string) {
    super(message);
    this.code = code;
    this.type = type;
  }
}

export interface CheckoutRequest {
  readonly accountId: AccountId;
  readonly amountNanoUsd: NanoUsd;
  readonly email: string | undefined;
  readonly successUrl: string;
  readonly cancelUrl: string;
  /** The same key again is the same session. */
  readonly idempotencyKey: string;
}

export class Stripe {
  readonly #secretKey: string;
  readonly #origin: string;

  /** `settings.STRIPE_SECRET_KEY` must be there. */
  constructor(secretKey: string, origin: string = DEFAULT_ORIGIN) {
    this.#secretKey = secretKey;
    this.#origin = origin;
  }

  /** A page of Stripe's on which the customer pays; keeps the card for automatic top-ups. Throws StripeError. */
  async createCheckout(request: CheckoutRequest): Promise<{ readonly id: string; readonly url: string }> {
    const form = {
      mode: "payment",
      client_reference_id: request.accountId,
      customer_creation: "always",
      ...(request.email !== undefined && { customer_email: request.email }),
      success_url: request.successUrl,
      cancel_url: request.cancelUrl,
      "line_items[0][quantity]": "1",
      "line_items[0][price_data][currency]": "usd",
      "line_items[0][price_data][unit_amount]": String(centsOf(request.amountNanoUsd)),
      "line_items[0][price_data][product_data][name]": "Embedding credit",
      "payment_intent_data[metadata][account_id]": request.accountId,
      "payment_intent_data[setup_future_usage]": "off_session",
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
  }): Promise<PaymentFound> {
    const form = {
      amount: String(centsOf(charge.amountNanoUsd)),
      currency: "usd",
      customer: charge.customer,
      payment_method: charge.paymentMethod,
      off_session: "true",
      confirm: "true",
      "metadata[account_id]": charge.accountId,
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
    throw new StripeError(message ?? `Stripe answered ${response.status}`, code, type);
  }
}

/** Throws RangeError for a part of a cent. */
function centsOf(amount: NanoUsd): number {
  if (amount % NANO_USD_PER_CENT !== 0) throw new RangeError("an amount towards Stripe is whole cents");
  return amount / NANO_USD_PER_CENT;
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
