// POST /v1/top-ups (a page of Stripe's to pay on), /v1/auto-top-up, and what Stripe tells us: POST /stripe/webhook. Without
// a Stripe secret the first two say so, the third does not exist, and the operator's grant is the way.

import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import { TOP_UP_MIN_NANO_USD, spentIn } from "../billing/auto-top-up.ts";
import type { AutoTopUpTerms, BillingState } from "../billing/auto-top-up.ts";
import { applyAct } from "../payments/apply.ts";
import { actOf } from "../billing/events.ts";
import { NANO_USD_PER_CENT } from "../billing/cents.ts";
import { Stripe, StripeError, verifySignature } from "../billing/stripe.ts";
import { monthStartMs } from "../ledger/periods.ts";
import { collectBytes } from "../lib/collect-bytes.ts";
import type { Context } from "../context.ts";
import { readIdempotencyKey } from "../metering/call-options.ts";
import { keyReused } from "../middleware/once.ts";
import { authorize, authorizeAgain } from "../middleware/authorize.ts";
import { readJson } from "../middleware/body.ts";
import { acted } from "../middleware/acted.ts";
import { CENTS_RULE, readCents, usdAnd } from "./amount.ts";
import { apiError } from "../../shared/errors.ts";
import { hex, sha256 } from "../../shared/hmac.ts";
import { newId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { formatUsd } from "../../shared/money.ts";
import { parseBody, wrongValue } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 4096;
/** Stripe's largest events are a few KB. */
const EVENT_BYTES_MAX = 256 * 1024;
const TOP_UP_MAX_NANO_USD = 10_000_000_000_000;
const usdAmount = z.union([z.number(), z.string()], { error: () => CENTS_RULE });
const NO_TAX = "Automatic top-ups are not offered here: tax is added on the payment page alone.";
const decoder = new TextDecoder();

export const topUpSchema = z.strictObject({ amount_usd: usdAmount });
export const autoTopUpSchema = z.strictObject({
  threshold_usd: usdAmount,
  target_usd: usdAmount,
  monthly_cap_usd: usdAmount,
});

/** Answers 201 `{id, url}`: the customer pays at `url`; the credit is there once Stripe has said so. */
export async function createTopUp(c: Context): Promise<Response> {
  const caller = await authorize(c, "account:write");
  const { accountId } = caller;
  const stripe = stripeOf(c);
  const { amount_usd: usd } = parseBody(topUpSchema, await readJson(c, BODY_BYTES_MAX));
  const amountNanoUsd = readTopUp("amount", usd, TOP_UP_MIN_NANO_USD);
  await authorizeAgain(c, caller);
  const account = acted(await accountStub(c.env, accountId).getAccount());
  const back = new URL("/dashboard", c.req.url);
  const session = await stripe
    .createCheckout({
      accountId,
      amountNanoUsd,
      email: account.email,
      successUrl: `${back.href}?top-up=done`,
      cancelUrl: `${back.href}?top-up=cancelled`,
      automaticTax: addsTax(c),
      // With the account, or two accounts' equal keys would be one call; hashed, since Stripe takes 255 characters.
      idempotencyKey: `top-up:${accountId}:${hex(await sha256(readIdempotencyKey(c) ?? newId("request")))}`,
    })
    .catch((error: unknown) => {
      if (!(error instanceof StripeError)) throw error;
      if (error.type === "idempotency_error") throw keyReused();
      throw apiError(
        "payment_unavailable",
        "The payment page cannot be opened now; nothing was charged. Try again later.",
      );
    });
  return c.json({ id: session.id, object: "top_up", url: session.url, ...usdAnd("amount", amountNanoUsd) }, 201);
}

export async function getAutoTopUp(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "account:write");
  return c.json(autoTopUpAnswer(c, acted(await accountStub(c.env, accountId).billing())));
}

export async function putAutoTopUp(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
  stripeOf(c);
  if (addsTax(c)) throw apiError("payments_not_offered", `${NO_TAX} Add credit with POST /v1/top-ups.`);
  const body = parseBody(autoTopUpSchema, await readJson(c, BODY_BYTES_MAX));
  const terms: AutoTopUpTerms = {
    thresholdNanoUsd: readTopUp("threshold", body.threshold_usd, NANO_USD_PER_CENT),
    targetNanoUsd: readTopUp("target", body.target_usd, NANO_USD_PER_CENT),
    monthlyCapNanoUsd: readTopUp("monthly_cap", body.monthly_cap_usd, TOP_UP_MIN_NANO_USD),
  };
  if (terms.targetNanoUsd < terms.thresholdNanoUsd + TOP_UP_MIN_NANO_USD) {
    const least = formatUsd(TOP_UP_MIN_NANO_USD);
    throw wrongValue("target_usd", `at least ${least} above \`threshold_usd\``, body.target_usd);
  }
  const stub = accountStub(c.env, accountId);
  return c.json(autoTopUpAnswer(c, acted(await stub.setAutoTopUp(terms, by))));
}

export async function deleteAutoTopUp(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
  const stub = accountStub(c.env, accountId);
  return c.json(autoTopUpAnswer(c, acted(await stub.setAutoTopUp(undefined, by))));
}

/** 200: done, now or before, or none of ours. 400: refused, a person has to look at Stripe's list. 503: comes again. */
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

function stripeOf(c: Context): Stripe {
  const { STRIPE_SECRET_KEY: key, STRIPE_API_ORIGIN: origin } = c.get("services").config;
  if (key !== undefined) return new Stripe(key, origin);
  throw apiError("payments_not_offered", "This deployment takes no cards: ask its operator for credit.");
}

/** Whether the operator turned tax on: Stripe computes it on its page, so there is no charge without one. */
function addsTax(c: Context): boolean {
  return c.get("services").config.STRIPE_AUTOMATIC_TAX === true;
}

/** `{name}_usd` as whole cents of at least `least`. Throws ApiError. */
function readTopUp(name: string, usd: number | string, least: number): NanoUsd {
  const amount = readCents(name, usd);
  if (amount >= least && amount <= TOP_UP_MAX_NANO_USD) return amount;
  throw wrongValue(`${name}_usd`, `from ${least / 1e9} to ${TOP_UP_MAX_NANO_USD / 1e9}`, usd);
}

function autoTopUpAnswer(c: Context, state: BillingState): object {
  const { terms, card } = state;
  const disabledReason = addsTax(c) && terms !== undefined ? NO_TAX : state.disabledReason;
  const spent = spentIn(state, monthStartMs(Date.now()));
  return {
    object: "auto_top_up",
    enabled: terms !== undefined && disabledReason === undefined,
    has_card: card !== undefined,
    disabled_reason: disabledReason ?? null,
    pending: state.attempt !== undefined,
    spent_this_month_nano_usd: spent,
    ...(terms !== undefined && {
      ...usdAnd("threshold", terms.thresholdNanoUsd),
      ...usdAnd("target", terms.targetNanoUsd),
      ...usdAnd("monthly_cap", terms.monthlyCapNanoUsd),
    }),
  };
}
