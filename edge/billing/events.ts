// What a Stripe event means for the books. Pure. Events arrive twice, late and in any order, so each act carries the id
// of its subject (a payment, a refund, a dispute) and not that of the event: the ledger does each act once.
//
// In a dispute only the withdrawal of funds and their return move money. Opening it does not, and neither does an
// inquiry (`warning_…`), which may not become a dispute. Source: docs.stripe.com/disputes/how-disputes-work.

import * as z from "zod";
import { centsSchema, nanoUsdOfCents } from "./cents.ts";
import { judgePayment } from "./payment.ts";
import type { PaymentFound } from "./payment.ts";
import type { Id } from "../../shared/ids.ts";
import { parseId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";

export type BillingAct =
  /** A payment arrived: credit. */
  | { readonly kind: "payment"; readonly found: PaymentFound }
  /** Money of payment `of` was refunded or withdrawn by the card's bank, or it was returned to us. */
  | {
      readonly kind: "taken_back" | "given_back";
      readonly of: PaymentName;
      readonly act: "refund" | "dispute";
      readonly id: string;
      /** Set for a refund that we ordered: the books have taken it under this id, with the amount recorded there. */
      readonly refundId: Id<"refund"> | undefined;
      /** Part of the payment's money, tax included. */
      readonly amountNanoUsd: NanoUsd;
    }
  | { readonly kind: "ignored" }
  /** An event of a kind that we act on, in a shape that we do not know: a person has to look. */
  | { readonly kind: "unreadable"; readonly type: string };

/** How refunds and disputes name their payment: either of two fields may be null. */
export type PaymentName = { readonly payment: string } | { readonly charge: string };

const eventSchema = z.object({ id: z.string(), type: z.string(), data: z.object({ object: z.unknown() }) });
/** The fields that refunds and disputes share. Their ids are `re_…`, `pyr_…`, `dp_…`, `du_…`. */
const returnSchema = z.object({
  id: z.string().min(1),
  amount: centsSchema.positive(),
  payment_intent: z.nullable(z.string()).default(null),
  charge: z.nullable(z.string()).default(null),
  status: z.nullable(z.string()).default(null),
  metadata: z.looseObject({ refund_id: z.unknown() }).partial().nullish(),
});
const currencySchema = z.object({ currency: z.string() });

/** `text`: a body whose signature was verified. */
export function actOf(text: string): BillingAct {
  const event = eventSchema.safeParse(jsonOf(text));
  if (!event.success) return { kind: "unreadable", type: "unknown" };
  const { type, data } = event.data;
  switch (type) {
    case "payment_intent.succeeded": {
      const found = judgePayment(data.object);
      return found.kind === "unreadable" ? { kind: "unreadable", type } : { kind: "payment", found };
    }
    case "refund.created":
    case "refund.updated":
    case "refund.failed":
      return returned(type, "refund", data.object, ({ status }) =>
        status === "failed" || status === "canceled" ? "given_back" : "taken_back",
      );
    case "charge.dispute.funds_withdrawn":
      return returned(type, "dispute", data.object, () => "taken_back");
    case "charge.dispute.funds_reinstated":
      return returned(type, "dispute", data.object, () => "given_back");
    case "charge.dispute.closed":
      return returned(type, "dispute", data.object, ({ status }) => (status === "won" ? "given_back" : "ignored"));
    default:
      return { kind: "ignored" };
  }
}

function returned(
  type: string,
  act: "refund" | "dispute",
  value: unknown,
  kindOf: (value: z.output<typeof returnSchema>) => "taken_back" | "given_back" | "ignored",
): BillingAct {
  const currency = currencySchema.safeParse(value);
  if (currency.success && currency.data.currency !== "usd") return { kind: "ignored" };
  const parsed = returnSchema.safeParse(value);
  if (!currency.success || !parsed.success) return { kind: "unreadable", type };
  const { id, amount, payment_intent: payment, charge, metadata } = parsed.data;
  const kind = kindOf(parsed.data);
  // Our refunds and disputes always belong to a payment: without one it is not ours.
  const of = payment === null ? (charge === null ? undefined : { charge }) : { payment };
  if (kind === "ignored" || of === undefined) return { kind: "ignored" };
  const refundId = parseId("refund", String(metadata?.refund_id));
  return { kind, of, act, id, refundId, amountNanoUsd: nanoUsdOfCents(amount) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
