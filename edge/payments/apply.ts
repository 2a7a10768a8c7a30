// Applies a billing act to the books of its account. The ledger does every step once (grants and refunds by their ids),
// so the whole can be repeated from any point: Stripe delivers an event again until it gets a 2xx.
//
// Events that are not ours get a 2xx too: a Stripe account may serve other businesses and deployments, and Stripe
// disables an endpoint that refuses for days.

import { accountStub } from "../account/account-stub.ts";
import type { Env } from "../bindings.ts";
import type { BillingAct, PaymentName } from "../billing/events.ts";
import { share } from "../billing/cents.ts";
import { grantOf } from "../billing/payment.ts";
import type { Payment, PaymentFound } from "../billing/payment.ts";
import type { Stripe } from "../billing/stripe.ts";
import { unreachable } from "../../shared/assert.ts";
import { nanoUsd } from "../../shared/money.ts";

const ACTOR = "stripe";

export type Applied =
  /** `isNew`: it had not been applied before. */
  | { readonly kind: "applied"; readonly isNew: boolean }
  /** Not ours (another business or deployment), or of a kind that moves no money. */
  | { readonly kind: "ignored"; readonly reason: string }
  /** Nothing was done, and a person has to find out why. */
  | { readonly kind: "refused"; readonly reason: string };

type Returned = Extract<BillingAct, { kind: "taken_back" | "given_back" }>;

/** Throws StripeError if the payment of a refund cannot be read now: Stripe will deliver the event again. */
export async function applyAct(env: Env, stripe: Stripe, act: BillingAct): Promise<Applied> {
  switch (act.kind) {
    case "ignored":
      return ignored("It moves no money of ours.");
    case "unreadable":
      return refused(`The event ${act.type} is not of the shape or the size that is known here.`);
    case "payment":
      return applyPayment(env, act.found);
    case "taken_back":
    case "given_back": {
      const found = await findPayment(stripe, act.of);
      // Credit the payment first, if that has not happened yet.
      const credited = await applyPayment(env, found);
      if (credited.kind !== "applied" || found.kind !== "paid") return credited;
      const returned = await applyReturn(env, found.payment, act);
      return returned.kind === "applied" ? { ...returned, isNew: returned.isNew || credited.isNew } : returned;
    }
    default:
      return unreachable(act);
  }
}

async function findPayment(stripe: Stripe, name: PaymentName): Promise<PaymentFound> {
  const id = "payment" in name ? name.payment : await stripe.paymentOfCharge(name.charge);
  return id === undefined ? { kind: "not_ours" } : stripe.payment(id);
}

async function applyPayment(env: Env, found: PaymentFound): Promise<Applied> {
  switch (found.kind) {
    case "not_ours":
      return ignored("It belongs to another business of this Stripe account, or is in another currency.");
    case "not_paid":
      return ignored(`The payment is ${found.status}.`);
    case "unreadable":
      return refused("The payment is not of the shape or the size that is known here.");
    case "paid":
      return credit(env, found.payment);
    default:
      return unreachable(found);
  }
}

async function credit(env: Env, { accountId, card, ...payment }: Payment): Promise<Applied> {
  const stub = accountStub(env, accountId);
  const outcome = await stub.grant(grantOf(payment), ACTOR);
  if (outcome === undefined) return ignored(`No such account here: ${accountId}.`);
  if (outcome === "too_much") return refused(`The account ${accountId} can be given no more.`);
  if (card !== undefined) await stub.rememberCard(card);
  return { kind: "applied", isNew: outcome === "granted" };
}

async function applyReturn(env: Env, payment: Payment, returned: Returned): Promise<Applied> {
  const { id: paymentId, accountId, creditNanoUsd, paidNanoUsd } = payment;
  const stub = accountStub(env, accountId);
  // A part of the money was tax, which never was credit.
  const amountNanoUsd = nanoUsd(share(creditNanoUsd, returned.amountNanoUsd, paidNanoUsd));
  const input = { id: returned.refundId ?? `stripe:${returned.id}`, kind: returned.act, amountNanoUsd, paymentId };
  const outcome =
    returned.kind === "taken_back" ? await stub.takeBack(input, ACTOR) : await stub.giveBack(input, ACTOR);
  if (outcome === "too_much")
    return refused(`The account ${accountId} has refunds and disputes whose sums would no longer be exact.`);
  return { kind: "applied", isNew: outcome !== "repeated" };
}

function ignored(reason: string): Applied {
  return { kind: "ignored", reason };
}

function refused(reason: string): Applied {
  return { kind: "refused", reason };
}
