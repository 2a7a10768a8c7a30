// A billing act in the books of its account. Every step is done once by the ledger (grants and refunds by their ids), so
// the whole can be repeated from any point: Stripe delivers again whatever did not end in a 2xx.

import { accountStub } from "../account-stub.ts";
import type { Env } from "../config.ts";
import type { BillingAct } from "./events.ts";
import { nanoUsdOfCents } from "./stripe.ts";
import type { Payment, Stripe } from "./stripe.ts";
import { unreachable } from "../../shared/assert.ts";
import type { AccountId } from "../../shared/ids.ts";
import { parseId } from "../../shared/ids.ts";

const ACTOR = "stripe";

/** `refused`: nothing was done, and it is for a person to find out why. */
export type Applied = { readonly kind: "applied" | "ignored" } | { readonly kind: "refused"; readonly reason: string };

/** Throws StripeError when the payment behind a refund cannot be read now: the event will come again. */
export async function applyAct(env: Env, stripe: Stripe, act: BillingAct): Promise<Applied> {
  switch (act.kind) {
    case "ignored":
      return { kind: "ignored" };
    case "unreadable":
      return { kind: "refused", reason: `The event ${act.type} is not of the shape that is known here.` };
    case "paid":
      return applyPayment(env, act.payment);
    case "taken_back": {
      const payment = await stripe.payment(act.paymentId);
      const credited = await applyPayment(env, payment);
      if (credited.kind !== "applied") return credited;
      return applyTakeBack(env, payment, act);
    }
    default:
      return unreachable(act);
  }
}

/** A payment without our account in its metadata is another business's of the same Stripe account. */
async function applyPayment(env: Env, payment: Payment): Promise<Applied> {
  const text = payment.metadata["account_id"];
  if (text === undefined || payment.amount_received === 0) return { kind: "ignored" };
  const accountId = parseId("account", text);
  if (accountId === undefined) return unknownAccount(text);
  const amountNanoUsd = nanoUsdOfCents(payment.amount_received);
  const stub = accountStub(env, accountId);
  const outcome = await stub.grant({ id: `stripe:${payment.id}`, kind: "paid", amountNanoUsd }, ACTOR);
  if (outcome === undefined) return unknownAccount(accountId);
  if (payment.customer !== null && payment.payment_method !== null) {
    await stub.rememberCard({ customer: payment.customer, paymentMethod: payment.payment_method });
  }
  return { kind: "applied" };
}

async function applyTakeBack(
  env: Env,
  payment: Payment,
  { act, id, cents, undone }: Extract<BillingAct, { kind: "taken_back" }>,
): Promise<Applied> {
  const accountId = accountOf(payment);
  if (accountId === undefined) return { kind: "ignored" };
  const stub = accountStub(env, accountId);
  const amountNanoUsd = nanoUsdOfCents(cents);
  await stub.takeBack({ id: `stripe:${id}`, kind: act, amountNanoUsd }, ACTOR);
  // Taken first even when undone came first: then the later copy of the first event finds it done.
  if (undone) await stub.grant({ id: `stripe:${id}:undone`, kind: "paid", amountNanoUsd }, ACTOR);
  return { kind: "applied" };
}

function accountOf(payment: Payment): AccountId | undefined {
  return parseId("account", payment.metadata["account_id"] ?? "");
}

function unknownAccount(id: string): Applied {
  return { kind: "refused", reason: `No such account: ${id}.` };
}
