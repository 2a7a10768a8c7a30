// The total charged according to usage, computed without the books.

import type { Ledger } from "../../edge/ledger/ledger.ts";
import { cellsBetween } from "../../edge/ledger/usage-history.ts";

/** The cost of all stored cells, in nano-USD, which must equal what the books charged. */
export function usageTotalNanoUsd(ledger: Ledger): number {
  let total = 0;
  for (const cell of cellsBetween(ledger, 0, Number.MAX_SAFE_INTEGER)) total += cell.costNanoUsd;
  return total;
}
