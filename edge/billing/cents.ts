// Converts between Stripe's amounts, whole cents of USD, and the books' nano-USD.

import * as z from "zod";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";

export const NANO_USD_PER_CENT = 10_000_000;
/** Stripe takes at most eight digits, so no payment, refund or dispute is larger. */
const CENTS_MAX = 99_999_999;

/** The amount in an event; larger ones than `CENTS_MAX` are refused, for a person to look at. */
export const centsSchema = z.number().int().nonnegative().max(CENTS_MAX);

/** `cents` must fit `centsSchema`. */
export function nanoUsdOfCents(cents: number): NanoUsd {
  return nanoUsd(cents * NANO_USD_PER_CENT);
}

/** Throws RangeError for an amount that is not whole cents. */
export function centsOf(amount: NanoUsd): number {
  if (amount % NANO_USD_PER_CENT !== 0) throw new RangeError("an amount towards Stripe is whole cents");
  return amount / NANO_USD_PER_CENT;
}

/** `whole` × `part` / `of`, exact and rounded down: the credit for a part of a payment's money, and the reverse. */
export function share(whole: number, part: number, of: number): number {
  return part === of ? whole : Number((BigInt(whole) * BigInt(part)) / BigInt(of));
}
