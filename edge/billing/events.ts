// What a Stripe event means for the books: pure. Events come twice, late and in any order, so each act carries an id of
// the thing itself (a payment, a refund, a dispute) and not of the event: the ledger does each once.

import * as z from "zod";
import { paymentSchema } from "./stripe.ts";
import type { Payment } from "./stripe.ts";

export type BillingAct =
  /** A payment arrived: credit. */
  | { readonly kind: "paid"; readonly payment: Payment }
  /** Money went back, or was taken back by the card's bank. The payment is credited first, if it was not yet. */
  | {
      readonly kind: "taken_back";
      readonly paymentId: string;
      readonly act: "refund" | "dispute";
      readonly id: string;
      readonly cents: number;
      /** A refund that failed, a dispute that was won: the money is here again. */
      readonly undone: boolean;
    }
  | { readonly kind: "ignored" }
  /** An event of a kind that we act on, but not of the shape that we know: somebody has to look. */
  | { readonly kind: "unreadable"; readonly type: string };

const eventSchema = z.object({ id: z.string(), type: z.string(), data: z.object({ object: z.unknown() }) });
const usd = z.literal("usd");
const refundSchema = z.object({
  id: z.string().startsWith("re_"),
  amount: z.number().int().positive(),
  currency: usd,
  payment_intent: z.string(),
  status: z.nullable(z.string()),
});
const disputeSchema = z.object({
  id: z.string(),
  amount: z.number().int().positive(),
  currency: usd,
  payment_intent: z.string(),
  status: z.string(),
});

/** `text`: a body whose signature was verified. */
export function actOf(text: string): BillingAct {
  const event = eventSchema.safeParse(jsonOf(text));
  if (!event.success) return { kind: "unreadable", type: "unknown" };
  const { type, data } = event.data;
  switch (type) {
    case "payment_intent.succeeded":
      return read(type, paymentSchema.extend({ currency: usd }), data.object, (payment) => ({ kind: "paid", payment }));
    case "refund.created":
    case "refund.updated":
    case "refund.failed":
      return read(type, refundSchema, data.object, (refund) => ({
        kind: "taken_back",
        paymentId: refund.payment_intent,
        act: "refund",
        id: refund.id,
        cents: refund.amount,
        undone: refund.status === "failed" || refund.status === "canceled",
      }));
    case "charge.dispute.created":
    case "charge.dispute.closed":
    case "charge.dispute.funds_withdrawn":
    case "charge.dispute.funds_reinstated":
      return read(type, disputeSchema, data.object, (dispute) => ({
        kind: "taken_back",
        paymentId: dispute.payment_intent,
        act: "dispute",
        id: dispute.id,
        cents: dispute.amount,
        undone: dispute.status === "won",
      }));
    default:
      return { kind: "ignored" };
  }
}

function read<Schema extends z.ZodType>(
  type: string,
  schema: Schema,
  value: unknown,
  act: (value: z.output<Schema>) => BillingAct,
): BillingAct {
  const parsed = schema.safeParse(value);
  return parsed.success ? act(parsed.data) : { kind: "unreadable", type };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
