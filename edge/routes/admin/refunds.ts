// POST /admin/accounts/{id}/refunds: refunds a payment or a part of it, through Stripe and in the books, once for each
// `Idempotency-Key`, which is required.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { RefundAnswer } from "../../account/account-refunds.ts";
import { NANO_USD_PER_CENT, nanoUsdOfCents } from "../../billing/cents.ts";
import type { RefundFault } from "../../billing/refund.ts";
import { REFUND_REASONS } from "../../billing/stripe.ts";
import type { Context } from "../../context.ts";
import { readJson } from "../../middleware/body.ts";
import { answerRepeat, keyReused, onceOf } from "../../middleware/once.ts";
import { ONCE } from "../../openapi/parameters.ts";
import { amounts, centsField, readCents } from "../amount.ts";
import { amountNanoUsd, exampleId } from "../answers.ts";
import { idInPath, idParameter, known } from "../object-in-path.ts";
import type { Route } from "../route.ts";
import { ACTOR, act } from "./act.ts";
import { unreachable } from "../../../shared/assert.ts";
import type { ApiError } from "../../../shared/errors.ts";
import { apiError } from "../../../shared/errors.ts";
import type { NanoUsd } from "../../../shared/money.ts";
import { formatUsd, nanoUsd } from "../../../shared/money.ts";
import { oneOf, parseBody, text, wrongValue } from "../../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 4096;
const PAYMENT_RULE =
  "a payment's id at Stripe (`pi_…`), as `payment_id` of a top-up in GET /v1/transactions (a grant was never paid)";
const PAYMENT = /^pi_\w{1,250}$/;

const refundSchema = z.strictObject({
  payment: text(PAYMENT_RULE),
  /** An amount of credit, without tax. Default: all that is left of the payment. */
  amount_usd: centsField.optional(),
  reason: oneOf(REFUND_REASONS).optional(),
});

export const CREATE_REFUND: Route = {
  method: "post",
  path: "/admin/accounts/{id}/refunds",
  id: "adminCreateRefund",
  tag: "Operator",
  summary: "Refund a payment by card, or a part of it",
  description:
    "Refunds credit that was paid for and is not spent, through Stripe and in the books. Repeating the `Idempotency-Key` returns the same refund with its present outcome.",
  auth: "operator",
  parameters: [
    idParameter("account"),
    { ...ONCE, required: true, description: "Needed: the same one again is the same refund." },
  ],
  body: { name: "CreateRefundRequest", schema: refundSchema, example: { payment: "pi_123", amount_usd: 12.5 } },
  answers: {
    201: {
      description:
        "`status` is Stripe's. `requested`: Stripe has not answered yet and is asked again; the credit is set aside.",
      name: "Refund",
      schema: z.object({
        id: z.string(),
        object: z.literal("refund"),
        account_id: z.string(),
        payment: z.string(),
        stripe_refund: z.nullable(z.string()),
        status: z.string(),
        amount_usd: z.string().describe("Of credit."),
        amount_nano_usd: amountNanoUsd,
        tax_usd: z.string().describe("Tax that is returned to the card as well."),
        tax_nano_usd: amountNanoUsd,
        balance_usd: z.string(),
        balance_nano_usd: amountNanoUsd,
      }),
      example: {
        id: "refund_0000000000000a",
        object: "refund",
        account_id: exampleId("account"),
        payment: "pi_123",
        stripe_refund: "re_123",
        status: "succeeded",
        amount_usd: "12.5",
        amount_nano_usd: 12_500_000_000,
        tax_usd: "0",
        tax_nano_usd: 0,
        balance_usd: "7.5",
        balance_nano_usd: 7_500_000_000,
      },
    },
  },
  errors: ["invalid_request", "credit_held", "limit_reached", "payments_not_offered", "payment_unavailable"],
  handler: createRefund,
};

async function createRefund(c: Context): Promise<Response> {
  const accountId = idInPath(c, "account");
  const { payment, amount_usd: usd, reason } = parseBody(refundSchema, await readJson(c, BODY_BYTES_MAX));
  if (!PAYMENT.test(payment)) throw wrongValue("payment", PAYMENT_RULE, payment);
  const amount = usd === undefined ? undefined : readCents("amount", usd);
  const once = onceOf(c);
  if (once === undefined) {
    const needed = "A refund needs the header `Idempotency-Key`, like a UUID: the same one again is the same refund.";
    throw apiError("invalid_header", needed, "Idempotency-Key");
  }
  const { STRIPE_SECRET_KEY: key } = c.get("services").config;
  if (key === undefined)
    throw apiError("payments_not_offered", "This deployment takes no cards: there is no payment to refund.");
  const asked = {
    paymentId: payment,
    ...(amount !== undefined && { creditNanoUsd: amount }),
    ...(reason !== undefined && { reason }),
  };
  const facts = {
    payment,
    ...(amount !== undefined && { amount_nano_usd: amount }),
    ...(reason !== undefined && { reason }),
  };
  return act(c, "refund", accountId, facts, async () => {
    const answer: RefundAnswer = known("account", await accountStub(c.env, accountId).refund(asked, once, ACTOR));
    if (answer.kind === "reused") throw keyReused();
    if (answer.kind === "fault") throw faultOf(answer.fault, payment);
    const body = refundAnswer(accountId, answer);
    return answer.isRepeat ? answerRepeat(c, body, 201) : c.json(body, 201);
  });
}

/** Throws ApiError if Stripe refused the refund. */
function refundAnswer(accountId: string, { record, balanceNanoUsd }: Extract<RefundAnswer, { kind: "refund" }>) {
  const { outcome, creditNanoUsd, cents } = record;
  if (outcome?.kind === "refused") {
    const said = `Nothing was refunded, and the credit is back. ${outcome.reason}`;
    throw apiError(outcome.isOurKey ? "payment_unavailable" : "invalid_request", said, "payment");
  }
  return {
    id: record.id,
    object: "refund",
    account_id: accountId,
    payment: record.paymentId,
    stripe_refund: outcome?.stripeId ?? null,
    status: record.isUndone ? "failed" : (outcome?.status ?? "requested"),
    ...amounts({
      amount: creditNanoUsd,
      tax: nanoUsd(nanoUsdOfCents(cents) - creditNanoUsd),
      balance: balanceNanoUsd,
    }),
  };
}

function faultOf(fault: RefundFault, payment: string): ApiError {
  switch (fault.kind) {
    case "not_ours":
      return apiError("object_not_found", `Stripe has no payment ${payment} in USD of an account here.`, "payment");
    case "another_account":
      return apiError(
        "object_not_found",
        `${payment} is a payment of the account ${fault.accountId}, not of this one.`,
        "payment",
      );
    case "not_paid":
      return apiError(
        "invalid_value",
        `${payment} is ${fault.status}: nothing was paid that could be refunded.`,
        "payment",
      );
    case "unreadable":
      return apiError(
        "invalid_value",
        `${payment} is not of the shape or the size that is known here: look at it in Stripe's dashboard.`,
        "payment",
      );
    case "above_rest":
      return aboveRest(fault.restNanoUsd, payment);
    case "not_there":
      return notThere(fault, payment);
    case "too_much":
      return apiError("limit_reached", "The sums of this account are so large that they would no longer be exact.");
    case "stripe_unavailable":
      return apiError(
        "payment_unavailable",
        "Stripe cannot be asked about this payment now; nothing was refunded. Try again later.",
      );
    default:
      return unreachable(fault);
  }
}

function aboveRest(rest: NanoUsd, payment: string): ApiError {
  if (rest === 0) return apiError("invalid_value", `${payment} is refunded already: nothing of it is left.`, "payment");
  return apiError(
    "invalid_value",
    `\`amount_usd\` must be at most ${formatUsd(rest)}: so much of ${payment} is not refunded yet.`,
    "amount_usd",
  );
}

/** The fault of credit that is not there: spent credit is never refunded, credit held by calls may come back. */
function notThere(
  { wantedNanoUsd: wanted, unspentNanoUsd: unspent, freeNanoUsd: free }: Extract<RefundFault, { kind: "not_there" }>,
  payment: string,
): ApiError {
  if (wanted <= unspent) {
    const held = `Calls that run now hold all but $${formatUsd(free)} of the credit: send it again in a second, or refund less.`;
    return apiError("credit_held", held, "amount_usd", 1);
  }
  const most = Math.floor(unspent / NANO_USD_PER_CENT) * NANO_USD_PER_CENT;
  const spent = `$${formatUsd(wanted)} of ${payment} were to be refunded, but of all that this account paid only $${formatUsd(nanoUsd(most))} is not spent`;
  return apiError("invalid_value", `${spent}${most === 0 ? "." : ": `amount_usd` may be as much."}`, "amount_usd");
}
