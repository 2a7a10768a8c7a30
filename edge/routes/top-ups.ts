// POST /v1/top-ups (returns a Stripe page to pay on) and /v1/auto-top-up. Without a Stripe secret both are refused, and
// only the operator grants credit.

import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { AutoTopUpTerms, BillingState } from "../billing/auto-top-up.ts";
import { TOP_UP_MIN_NANO_USD, spentIn } from "../billing/auto-top-up.ts";
import { NANO_USD_PER_CENT } from "../billing/cents.ts";
import { Stripe, StripeError } from "../billing/stripe.ts";
import type { Context } from "../context.ts";
import { monthStartMs } from "../ledger/periods.ts";
import { readIdempotencyKey } from "../metering/call-options.ts";
import { acted } from "../middleware/acted.ts";
import type { Caller } from "../middleware/authorize.ts";
import { authorizeAgain } from "../middleware/authorize.ts";
import { readJson } from "../middleware/body.ts";
import { keyReused } from "../middleware/once.ts";
import type { Answer } from "../openapi/operation.ts";
import { ONCE } from "../openapi/parameters.ts";
import { amounts, centsField, readCents } from "./amount.ts";
import { amountNanoUsd } from "./answers.ts";
import { keyRoutes } from "./route.ts";
import { apiError } from "../../shared/errors.ts";
import { hex, sha256 } from "../../shared/hmac.ts";
import { newId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { formatUsd } from "../../shared/money.ts";
import { parseBody, wrongValue } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 4096;
const TOP_UP_MAX_NANO_USD = 10_000_000_000_000;
const NO_TAX = "Automatic top-ups are not offered here: tax is added on the payment page alone.";

const topUpSchema = z.strictObject({ amount_usd: centsField });
const autoTopUpSchema = z.strictObject({
  threshold_usd: centsField,
  target_usd: centsField,
  monthly_cap_usd: centsField,
});

const usdOrNone = z.string().optional();
const nanoUsdOrNone = amountNanoUsd.optional();
const STATE: Answer = {
  description: "Whether credit is bought when the balance falls, and within which bounds.",
  name: "AutoTopUp",
  schema: z.object({
    object: z.literal("auto_top_up"),
    enabled: z.boolean(),
    has_card: z.boolean(),
    disabled_reason: z.nullable(z.string()),
    pending: z.boolean(),
    spent_this_month_nano_usd: amountNanoUsd,
    threshold_usd: usdOrNone,
    threshold_nano_usd: nanoUsdOrNone,
    target_usd: usdOrNone,
    target_nano_usd: nanoUsdOrNone,
    monthly_cap_usd: usdOrNone,
    monthly_cap_nano_usd: nanoUsdOrNone,
  }),
  example: {
    object: "auto_top_up",
    enabled: false,
    has_card: false,
    disabled_reason: null,
    pending: false,
    spent_this_month_nano_usd: 0,
  },
};

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
      ...amounts({
        threshold: terms.thresholdNanoUsd,
        target: terms.targetNanoUsd,
        monthly_cap: terms.monthlyCapNanoUsd,
      }),
    }),
  };
}

export const TOP_UPS = keyRoutes("Account", "account:write", [
  {
    method: "post",
    path: "/v1/top-ups",
    id: "createTopUp",
    summary: "A page to buy credit on",
    description: "The credit is there once the payment is confirmed.",
    body: { name: "TopUpRequest", schema: topUpSchema, example: { amount_usd: 20 } },
    answers: {
      201: {
        description: "Pay at `url`.",
        name: "TopUp",
        schema: z.object({
          id: z.string(),
          object: z.literal("top_up"),
          url: z.string(),
          amount_usd: z.string(),
          amount_nano_usd: amountNanoUsd,
        }),
        example: {
          id: "cs_123",
          object: "top_up",
          url: "https://checkout.example.com/cs_123",
          amount_usd: "20",
          amount_nano_usd: 20_000_000_000,
        },
      },
    },
    parameters: [ONCE],
    errors: ["payments_not_offered", "payment_unavailable"],
    handler: createTopUp,
  },
  {
    method: "get",
    path: "/v1/auto-top-up",
    id: "getAutoTopUp",
    summary: "The automatic top-up",
    answers: { 200: STATE },
    handler: getAutoTopUp,
  },
  {
    method: "put",
    path: "/v1/auto-top-up",
    id: "putAutoTopUp",
    summary: "Buy credit when the balance falls",
    description: "Charges the card of the last top-up.",
    body: {
      name: "AutoTopUpRequest",
      schema: autoTopUpSchema,
      example: { threshold_usd: 5, target_usd: 20, monthly_cap_usd: 100 },
    },
    answers: { 200: STATE },
    errors: ["payments_not_offered"],
    handler: putAutoTopUp,
  },
  {
    method: "delete",
    path: "/v1/auto-top-up",
    id: "deleteAutoTopUp",
    summary: "Buy no credit automatically",
    answers: { 200: STATE },
    handler: deleteAutoTopUp,
  },
]);

/** Answers 201 `{id, url}`: the customer pays at `url`, and has the credit once Stripe confirms the payment. */
async function createTopUp(c: Context, caller: Caller): Promise<Response> {
  const { accountId } = caller;
  const stripe = stripeOf(c);
  const { amount_usd: usd } = parseBody(topUpSchema, await readJson(c, BODY_BYTES_MAX));
  const amount = readTopUp("amount", usd, TOP_UP_MIN_NANO_USD);
  await authorizeAgain(c, caller);
  const account = acted(await accountStub(c.env, accountId).getAccount());
  const back = new URL("/dashboard", c.req.url);
  const session = await stripe
    .createCheckout({
      accountId,
      amountNanoUsd: amount,
      email: account.email,
      successUrl: `${back.href}?top-up=done`,
      cancelUrl: `${back.href}?top-up=cancelled`,
      automaticTax: addsTax(c),
      // The account is part of it: two accounts may send equal keys. Hashed, since Stripe takes 255 characters.
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
  return c.json({ id: session.id, object: "top_up", url: session.url, ...amounts({ amount }) }, 201);
}

async function getAutoTopUp(c: Context, { accountId }: Caller): Promise<Response> {
  return c.json(autoTopUpAnswer(c, acted(await accountStub(c.env, accountId).billing())));
}

async function putAutoTopUp(c: Context, { accountId, by }: Caller): Promise<Response> {
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

async function deleteAutoTopUp(c: Context, { accountId, by }: Caller): Promise<Response> {
  const stub = accountStub(c.env, accountId);
  return c.json(autoTopUpAnswer(c, acted(await stub.setAutoTopUp(undefined, by))));
}

export function stripeOf(c: Context): Stripe {
  const { STRIPE_SECRET_KEY: key, STRIPE_API_ORIGIN: origin } = c.get("services").config;
  if (key !== undefined) return new Stripe(key, origin);
  throw apiError("payments_not_offered", "This deployment takes no cards: ask its operator for credit.");
}

/** Whether the operator turned tax on. Stripe computes it on its own page, so no card is charged without that page. */
function addsTax(c: Context): boolean {
  return c.get("services").config.STRIPE_AUTOMATIC_TAX === true;
}

/** `{name}_usd` as whole cents of at least `least`. Throws ApiError. */
function readTopUp(name: string, usd: number | string, least: number): NanoUsd {
  const amount = readCents(name, usd);
  if (amount >= least && amount <= TOP_UP_MAX_NANO_USD) return amount;
  throw wrongValue(`${name}_usd`, `from ${least / 1e9} to ${TOP_UP_MAX_NANO_USD / 1e9}`, usd);
}
