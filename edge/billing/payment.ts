// What a payment of Stripe's is to the books: one judgement, wherever one is read (an event, a look-up, a card that was
// charged). Credit is made of a payment that succeeded, in US dollars, with an account of ours in its metadata, and of
// nothing else. A Stripe account may serve other businesses, and other currencies: theirs is none of ours, and no fault.
//
// Tax is no credit: what a payment brings is written into its metadata where its price is set (stripe.ts), since the
// payment itself has one sum, tax included. A payment without that brings all of its money.

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
  /** What it brings. */
  readonly creditNanoUsd: NanoUsd;
  /** Stripe's ids of the card that paid, where it was kept. */
  readonly card: { readonly customer: string; readonly paymentMethod: string } | undefined;
}

/** Its credit in the books: the same grant whoever hears of it first. */
export function grantOf({ id, creditNanoUsd }: Pick<Payment, "id" | "creditNanoUsd">) {
  return { id: `stripe:${id}`, kind: "paid", amountNanoUsd: creditNanoUsd, paymentId: id } as const;
}

export type PaymentFound =
  | { readonly kind: "paid"; readonly payment: Payment }
  /** Of another business, or in another currency. */
  | { readonly kind: "not_ours" }
  /** Ours, and no money has come (yet). */
  | { readonly kind: "not_paid"; readonly status: string }
  /** Ours, and not of the shape or the size that is known here. */
  | { readonly kind: "unreadable" };

/** Asked first: whose it is. */
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
