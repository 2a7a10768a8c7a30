// The three calls that we make to Stripe, as forms over fetch, and its events' signatures. Stripe's own package would add
// 33 KB (compressed) to the Worker for them (docs/decisions/stripe.md). Amounts towards Stripe are cents, here nano-USD.
// Source: docs.stripe.com/api (checkout/sessions, payment_intents), docs.stripe.com/webhooks (manual verification).

import * as z from "zod";
import { equalBytes, hmac, importHmacKey } from "../../shared/hmac.ts";
import type { AccountId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";

const API_VERSION = "2025-03-31.basil";
const DEFAULT_ORIGIN = "https://api.stripe.com";
const ANSWER_MS = 20_000;
export const NANO_USD_PER_CENT = 10_000_000;
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

export const paymentSchema = z.object({
  id: z.string().startsWith("pi_"),
  status: z.string(),
  currency: z.string(),
  amount_received: z.number().int().nonnegative(),
  metadata: z.record(z.string(), z.string()).default({}),
  customer: z.nullable(z.string()).default(null),
  payment_method: z.nullable(z.string()).default(null),
});
export type Payment = z.infer<typeof paymentSchema>;

const checkoutSchema = z.object({ id: z.string(), url: z.url() });
const errorSchema = z.object({ error: z.object({ message: z.string().optional(), code: z.string().optional() }) });

/** Stripe refused, or could not be reached. `code`: Stripe's own, for a declined card `card_declined`. */
export class StripeError extends Error {
  override name = "StripeError";
  readonly code: string | undefined;
  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
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

  async payment(id: string): Promise<Payment> {
    return paymentSchema.parse(await this.#call("GET", `/v1/payment_intents/${encodeURIComponent(id)}`));
  }

  /** Charges a card that the customer left for this. Throws StripeError, for a declined card too. */
  async chargeOffSession(charge: {
    readonly accountId: AccountId;
    readonly amountNanoUsd: NanoUsd;
    readonly customer: string;
    readonly paymentMethod: string;
    readonly idempotencyKey: string;
  }): Promise<Payment> {
    const form = {
      amount: String(centsOf(charge.amountNanoUsd)),
      currency: "usd",
      customer: charge.customer,
      payment_method: charge.paymentMethod,
      off_session: "true",
      confirm: "true",
      "metadata[account_id]": charge.accountId,
    };
    return paymentSchema.parse(await this.#call("POST", "/v1/payment_intents", form, charge.idempotencyKey));
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
    const { message, code } = said.success ? said.data.error : {};
    throw new StripeError(message ?? `Stripe answered ${response.status}`, code);
  }
}

/** Throws RangeError for a part of a cent. */
function centsOf(amount: NanoUsd): number {
  if (amount % NANO_USD_PER_CENT !== 0) throw new RangeError("an amount towards Stripe is whole cents");
  return amount / NANO_USD_PER_CENT;
}

export function nanoUsdOfCents(cents: number): NanoUsd {
  return nanoUsd(cents * NANO_USD_PER_CENT);
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
