// What a message asks for on top of what the isolate keeps. Pure.

import { ZERO, least, minusFloor, most, plus } from "../ledger/amount.ts";
import type { Waiter } from "./lease-types.ts";
import type { Amount, Want } from "../ledger/types.ts";

export const NOTHING_WANTED: Want = { min: ZERO, least: ZERO, target: ZERO, unit: ZERO };

export function sumOf(waiters: readonly Waiter[]): Amount {
  return waiters.reduce((sum, { need }) => plus(sum, need), ZERO);
}

/** `forecast`: the need of the next seconds besides the waiters'. `free`: what the lease has already. */
export function wantOf(waiters: readonly Waiter[], forecast: Amount, free: Amount, unit: Amount): Want {
  const sum = sumOf(waiters);
  const [first, ...others] = waiters.map(({ need }) => need);
  const min = minusFloor(sum, free);
  return {
    min,
    least: minusFloor(others.reduce(least, first ?? ZERO), free),
    target: most(min, minusFloor(plus(sum, forecast), free)),
    unit,
  };
}
