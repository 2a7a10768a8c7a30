// A refund that the operator orders. The credit is taken and the order stored before Stripe is asked. Stripe is asked
// under the order's own id until it accepts or refuses, so that a crash anywhere refunds once. The credit is given back
// if Stripe refuses, or if the refund fails later.

import type { AccountId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { centsOf, nanoUsdOfCents, share } from "./cents.ts";
import type { PaymentFound } from "./payment.ts";
import type { RefundOrder, StripeRefund } from "./stripe.ts";
import { SAME_KEY_MS_MAX, StripeError } from "./stripe.ts";
import type { Stripe } from "./stripe.ts";

/** Stripe's statuses of a refund that returned no money. */
const FAILED: ReadonlySet<string | null> = new Set(["failed", "canceled"]);

/** Stored as one row of JSON in the account's object. */
export interface RefundRecord extends RefundOrder {
  /** The credit that it took from the balance. */
  readonly creditNanoUsd: NanoUsd;
  /** A keyed hash of the body of the call that ordered it. */
  readonly bodyHash: string;
  readonly beganMs: number;
  readonly tries: number;
  readonly nextMs: number;
  /** Undefined: Stripe has not answered yet. */
  readonly outcome?: RefundOutcome;
  /** The refund failed after Stripe had accepted it; the credit was given back. */
  readonly isUndone?: true;
}

export type RefundOutcome =
  | { readonly kind: "accepted"; readonly stripeId: string; readonly status: string }
  /** Nothing was refunded; the credit was given back. `isOurKey`: Stripe refuses the deployment's key. */
  | { readonly kind: "refused"; readonly reason: string; readonly isOurKey: boolean };

/** Why nothing was ordered. */
export type RefundFault =
  | Exclude<PaymentFound, { kind: "paid" }>
  | { readonly kind: "another_account"; readonly accountId: AccountId }
  /** More than is left of the payment. */
  | { readonly kind: "above_rest"; readonly restNanoUsd: NanoUsd }
  /** The credit is spent, or running calls hold it. */
  | {
      readonly kind: "not_there";
      readonly wantedNanoUsd: NanoUsd;
      readonly unspentNanoUsd: NanoUsd;
      readonly freeNanoUsd: NanoUsd;
    }
  /** The sums of this account would no longer be exact. */
  | { readonly kind: "too_much" }
  | { readonly kind: "stripe_unavailable" };

/** What of a payment is refunded for `asked` (undefined: everything left): so much credit, for `cents` of its money. */
export function judgeRefund(
  { found, refundedCents }: { readonly found: PaymentFound; readonly refundedCents: number },
  /** Orders of this account on this payment, settled or not. */
  orders: readonly RefundRecord[],
  accountId: AccountId,
  asked: NanoUsd | undefined,
): { readonly kind: "judged"; readonly cents: number; readonly creditNanoUsd: NanoUsd } | RefundFault {
  if (found.kind !== "paid") return found;
  const { payment } = found;
  if (payment.accountId !== accountId) return { kind: "another_account", accountId: payment.accountId };
  const [paid, credit] = [centsOf(payment.paidNanoUsd), centsOf(payment.creditNanoUsd)];
  const inForce = orders.filter(({ outcome, isUndone }) => outcome?.kind !== "refused" && isUndone === undefined);
  // Stripe's own count includes the orders that it has accepted.
  const onTheirWay = inForce.reduce((sum, { outcome, cents }) => sum + (outcome === undefined ? cents : 0), 0);
  const ordered = inForce.reduce((sum, { creditNanoUsd }) => sum + centsOf(creditNanoUsd), 0);
  const left = Math.max(0, paid - refundedCents - onTheirWay);
  const rest = Math.max(0, Math.min(share(credit, left, paid), credit - ordered));
  const wanted = asked === undefined ? rest : centsOf(asked);
  if (rest === 0 || wanted > rest) return { kind: "above_rest", restNanoUsd: nanoUsdOfCents(rest) };
  const cents = wanted === rest ? left : share(paid, wanted, credit);
  return { kind: "judged", cents, creditNanoUsd: nanoUsdOfCents(wanted) };
}

/** Asks Stripe for the refund. Undefined: the outcome is unknown; ask again. */
export async function askForRefund(
  stripe: Stripe,
  record: RefundRecord,
  nowMs: number,
): Promise<RefundOutcome | undefined> {
  try {
    const isLate = nowMs - record.beganMs > SAME_KEY_MS_MAX; // from then on, only looks for it
    const known = record.tries > 0 || isLate ? await stripe.findRefund(record) : undefined;
    if (known !== undefined) return accepted(known);
    if (!isLate) return accepted(await stripe.refund(record));
    return { kind: "refused", reason: "Stripe did not answer for 20 hours, and has no such refund.", isOurKey: false };
  } catch (error) {
    if (!(error instanceof StripeError)) throw error;
    if (!error.isRefusal) return undefined;
    const code = error.code === undefined ? "" : ` (${error.code})`;
    return { kind: "refused", reason: `Stripe refuses it${code}: ${error.message}`, isOurKey: error.isOurKey };
  }
}

function accepted({ id, status }: StripeRefund): RefundOutcome {
  return { kind: "accepted", stripeId: id, status: status ?? "pending" };
}

/** Whether the refund returned no money, so that its credit is given back. */
export function cameToNothing(outcome: RefundOutcome): boolean {
  return outcome.kind === "refused" || FAILED.has(outcome.status);
}
