// What a Stripe payment means for the books, wherever it is read (an event, a look-up, a charged card). Only a payment
// that succeeded, in US dollars, with one of our accounts in its metadata, becomes credit. A Stripe account may serve
// other businesses and currencies: their payments are not ours, and no fault.
//
// Tax is not credit. A payment has only one sum, tax included, so its credit is written into its metadata where its
// price is set (stripe.ts). A payment without that metadata brings all of its money as credit.

import * as z from "zod";
import type { AccountId } from "../../shared/ids.ts";
import { parseId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { centsSchema, nanoUsdOfCents } from "./cents.ts";

export interface Payment {
  /** `pi_…` */
  readonly id: string;
  readonly accountId: AccountId;
  /** What the card paid, tax included. */
  readonly paidNanoUsd: NanoUsd;
  /** The credit that it brings. */
  readonly creditNanoUsd: NanoUsd;
  /** Stripe's ids of the card that paid, if the card was saved. */
  readonly card: { readonly customer: string; readonly paymentMethod: string } | undefined;
}

/** The payment's grant in the books: the same whichever part learns of the payment first. */
export function grantOf({ id, creditNanoUsd }: Pick<Payment, "id" | "creditNanoUsd">) {
  return { id: `stripe:${id}`, kind: "paid", amountNanoUsd: creditNanoUsd, paymentId: id } as const;
}

export type PaymentFound =
  | { readonly kind: "paid"; readonly payment: Payment }
  /** It belongs to another business, or is in another currency. */
  | { readonly kind: "not_ours" }
  /** It is ours, and no money has arrived (yet). */
  | { readonly kind: "not_paid"; readonly status: string }
  /** It is ours, in a shape or size that we do not know. */
  | { readonly kind: "unreadable" };

/** Read first: tells whether the payment is ours. */
const ownerSchema = z.object({ currency: z.string(), metadata: z.object({ account_id: z.string() }) });
/** Stripe keeps metadata as text. */
const creditSchema = z.object({
  metadata: z.object({
    credit_cents: z
      .string()
      .regex(/^[1-9]\d{0,7}$/)
      .transform(Number)
      .optional(),
  }),
});
const paymentSchema = z.object({
  id: z.string().startsWith("pi_"),
  status: z.string(),
  amount_received: centsSchema,
  customer: z.nullable(z.string()).default(null),
  payment_method: z.nullable(z.string()).default(null),
});

export function judgePayment(value: unknown): PaymentFound {
  const owner = ownerSchema.safeParse(value);
  const accountId = owner.success ? parseId("account", owner.data.metadata.account_id) : undefined;
  if (!owner.success || accountId === undefined || owner.data.currency !== "usd") return { kind: "not_ours" };
  const parsed = paymentSchema.safeParse(value);
  const credit = creditSchema.safeParse(value);
  if (!parsed.success || !credit.success) return { kind: "unreadable" };
  const { id, status, amount_received: cents, customer, payment_method: paymentMethod } = parsed.data;
  if (status !== "succeeded" || cents === 0) return { kind: "not_paid", status };
  const { credit_cents: creditCents = cents } = credit.data.metadata;
  if (creditCents > cents) return { kind: "unreadable" };
  const card = customer === null || paymentMethod === null ? undefined : { customer, paymentMethod };
  const [paidNanoUsd, creditNanoUsd] = [nanoUsdOfCents(cents), nanoUsdOfCents(creditCents)];
  return { kind: "paid", payment: { id, accountId, paidNanoUsd, creditNanoUsd, card } };
}
