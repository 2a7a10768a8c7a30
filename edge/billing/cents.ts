// Amounts as Stripe writes them, whole cents of USD, and as the books do.

import * as z from "zod";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";

export const NANO_USD_PER_CENT = 10_000_000;
/** Stripe takes eight digits: no payment, refund or dispute of its own is above it. */
const CENTS_MAX = 99_999_999;

/** An amount that an event claims; what is above `CENTS_MAX` is refused, and a person looks. */
export const centsSchema = z.number().int().nonnegative().max(CENTS_MAX);

/** `cents`: as `centsSchema` has it. */
export function nanoUsdOfCents(cents: number): NanoUsd {
  return nanoUsd(cents * NANO_USD_PER_CENT);
}

/** Throws RangeError for a part of a cent. */
export function centsOf(amount: NanoUsd): number {
  if (amount % NANO_USD_PER_CENT !== 0) throw new RangeError("an amount towards Stripe is whole cents");
  return amount / NANO_USD_PER_CENT;
}

/** `whole` × `part` / `of`, exact, rounded down: what of a payment's credit goes with a part of its money, and the other way round. */
export function share(whole: number, part: number, of: number): number {
  return part === of ? whole : Number((BigInt(whole) * BigInt(part)) / BigInt(of));
}
