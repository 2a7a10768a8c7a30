// What a payment of Stripe's is to the books: one judgement, wherever one is read (an event, a look-up, a card that was
// charged). Credit is made of a payment that succeeded, in US dollars, with an account of ours in its metadata, and of
// nothing else. A Stripe account may serve other businesses, and other currencies: theirs is none of ours, and no fault.

import * as z from "zod";
import type { AccountId } from "../../shared/ids.ts";
import { parseId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { centsSchema, nanoUsdOfCents } from "./cents.ts";

export interface Payment {
  /** `pi_…` */
  readonly id: string;
  readonly accountId: AccountId;
  readonly amountNanoUsd: NanoUsd;
  /** Stripe's ids of the card that paid, where it was kept. */
  readonly card: { readonly customer: string; readonly paymentMethod: string } | undefined;
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
  if (!parsed.success) return { kind: "unreadable" };
  const { id, status, amount_received: cents, customer, payment_method: paymentMethod } = parsed.data;
  if (status !== "succeeded" || cents === 0) return { kind: "not_paid", status };
  const card = customer === null || paymentMethod === null ? undefined : { customer, paymentMethod };
  return { kind: "paid", payment: { id, accountId, amountNanoUsd: nanoUsdOfCents(cents), card } };
}
