// Automatic top-ups: when the balance falls below a threshold, the customer's saved card is charged up to a target,
// within a monthly cap. Pure: it decides when and how much. The attempt is stored before Stripe is called and keeps its
// key until it is settled, so that a crash anywhere charges once. A declined card switches top-ups off, with the
// reason.

import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import { NANO_USD_PER_CENT } from "./cents.ts";
import { SAME_KEY_MS_MAX, nextTry } from "./stripe.ts";
import type { Receipt } from "./stripe.ts";

/** A smaller amount is not worth the card's fee. */
export const TOP_UP_MIN_NANO_USD = nanoUsd(5_000_000_000);

export interface AutoTopUpTerms {
  readonly thresholdNanoUsd: NanoUsd;
  readonly targetNanoUsd: NanoUsd;
  readonly monthlyCapNanoUsd: NanoUsd;
}

export interface Card {
  /** Stripe's ids only, no data of the card. */
  readonly customer: string;
  readonly paymentMethod: string;
}

/** A charge that is decided and not settled. */
interface Attempt {
  /** Stripe's idempotency key: the same attempt is the same charge. */
  readonly key: string;
  readonly amountNanoUsd: NanoUsd;
  readonly beganMs: number;
  readonly tries: number;
  readonly nextMs: number;
  /** As first sent: Stripe refuses other values under the same key. Absent in attempts older than these fields. */
  readonly card?: Card;
  readonly receipt?: Receipt;
}

/** Stored as one row of JSON in the account's object. */
export interface BillingState {
  readonly terms?: AutoTopUpTerms;
  readonly card?: Card;
  readonly attempt?: Attempt;
  readonly spent?: { readonly monthStartMs: number; readonly nanoUsd: NanoUsd };
  /** Why top-ups are off although there are terms. */
  readonly disabledReason?: string;
}

/** The state with a new attempt, if one is due; undefined otherwise. `id` must be new each time. */
export function begin(
  state: BillingState,
  balance: NanoUsd,
  now: { readonly ms: number; readonly monthStartMs: number },
  id: string,
  receipt: Receipt,
): BillingState | undefined {
  const { terms, card, attempt, disabledReason } = state;
  if (terms === undefined || card === undefined || attempt !== undefined || disabledReason !== undefined)
    return undefined;
  if (balance >= terms.thresholdNanoUsd) return undefined;
  const wanted = Math.max(terms.targetNanoUsd - balance, TOP_UP_MIN_NANO_USD);
  const left = terms.monthlyCapNanoUsd - spentIn(state, now.monthStartMs);
  const amount = Math.min(wholeCentsUp(wanted), wholeCentsDown(left));
  if (amount < TOP_UP_MIN_NANO_USD) return undefined;
  const times = { beganMs: now.ms, tries: 0, nextMs: now.ms };
  return { ...state, attempt: { key: `auto-top-up:${id}`, amountNanoUsd: nanoUsd(amount), card, receipt, ...times } };
}

/** The attempt was paid. */
export function paid(state: BillingState, monthStartMs: number): BillingState {
  const { attempt, ...rest } = state;
  const amount = attempt?.amountNanoUsd ?? 0;
  return { ...rest, spent: { monthStartMs, nanoUsd: nanoUsd(spentIn(state, monthStartMs) + amount) } };
}

/** Stripe's refusal of a charge in words for the card's owner. `code`: Stripe's. */
export function declineWords(code: string | undefined): string {
  if (code === "authentication_required")
    return "The bank wants the cardholder to confirm this payment (authentication_required): add credit once by hand.";
  return `The card was refused (${code ?? "no reason was given"}).`;
}

/** The charge was refused: nothing is tried again until the owner saves the terms again. */
export function declined(state: BillingState, reason: string): BillingState {
  const { attempt: _attempt, ...rest } = state;
  return { ...rest, disabledReason: reason };
}

/**
 * Stripe could not be reached: the same attempt is retried later, because it may have been paid. It is abandoned before
 * Stripe forgets its key.
 */
export function postponed(state: BillingState, nowMs: number): BillingState {
  const { attempt } = state;
  if (attempt === undefined) return state;
  const { beganMs, tries } = attempt;
  if (nowMs - beganMs > SAME_KEY_MS_MAX) return declined(state, "Stripe could not be reached for 20 hours.");
  return { ...state, attempt: { ...attempt, tries: tries + 1, nextMs: nextTry(tries, nowMs) } };
}

export function spentIn(state: BillingState, monthStartMs: number): number {
  return state.spent?.monthStartMs === monthStartMs ? state.spent.nanoUsd : 0;
}

function wholeCentsUp(amount: number): number {
  return Math.ceil(amount / NANO_USD_PER_CENT) * NANO_USD_PER_CENT;
}

function wholeCentsDown(amount: number): number {
  return Math.floor(amount / NANO_USD_PER_CENT) * NANO_USD_PER_CENT;
}
