// POST /stripe/webhook: receives Stripe's events. Without the webhook's secret the route does not exist.

import { actOf } from "../billing/events.ts";
import { StripeError, verifySignature } from "../billing/stripe.ts";
import type { Context } from "../context.ts";
import { collectBytes } from "../lib/collect-bytes.ts";
import { applyAct } from "../payments/apply.ts";
import { stripeOf } from "./top-ups.ts";
import { apiError } from "../../shared/errors.ts";

/** Stripe's largest events are a few KB. */
const EVENT_BYTES_MAX = 256 * 1024;
const decoder = new TextDecoder();

/** 200: applied, now or before, or not ours. 400: refused, a person has to look at it. 503: Stripe should retry. */
export async function postStripeWebhook(c: Context): Promise<Response> {
  const { STRIPE_WEBHOOK_SECRET: secret, STRIPE_WEBHOOK_SECRET_PREVIOUS: previous } = c.get("services").config;
  if (secret === undefined) throw apiError("route_not_found", "No such route.");
  const payload = await readEvent(c);
  const secrets = previous === undefined ? [secret] : [secret, previous];
  if (!(await verifySignature(payload, c.req.header("stripe-signature"), secrets, Date.now()))) {
    throw apiError("invalid_header", "The signature does not fit this body, or is too old.", "Stripe-Signature");
  }
  try {
    const applied = await applyAct(c.env, stripeOf(c), actOf(payload));
    if (applied.kind !== "refused") {
      const reason = applied.kind === "ignored" ? { reason: applied.reason } : {};
      return c.json({ received: true, outcome: applied.kind, ...reason });
    }
    throw apiError("invalid_request", applied.reason);
  } catch (error) {
    if (!(error instanceof StripeError)) throw error;
    throw apiError("payment_unavailable", "Stripe cannot be asked about this payment now: deliver the event again.");
  }
}

async function readEvent(c: Context): Promise<string> {
  const { body } = c.req.raw;
  const bytes = body === null ? new Uint8Array() : await collectBytes(body, EVENT_BYTES_MAX);
  if (bytes !== undefined) return decoder.decode(bytes);
  throw apiError("body_too_large", "An event is at most 256 KB.");
}
