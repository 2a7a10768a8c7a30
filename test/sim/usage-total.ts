// What usage says was charged, counted apart from the books.

import type { Ledger } from "../../edge/ledger/ledger.ts";
import { cellsBetween } from "../../edge/ledger/usage-history.ts";

/** The cost of every cell that is kept, in nano-USD: equals what the books charged. */
export function usageTotalNanoUsd(ledger: Ledger): number {
  let total = 0;
  for (const cell of cellsBetween(ledger, 0, Number.MAX_SAFE_INTEGER)) total += cell.costNanoUsd;
  return total;
}
