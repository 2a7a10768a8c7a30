// Whether there is credit for a need at all, whoever holds it now: the same answer to a call and to a batch.

import type { NanoUsd } from "../../shared/money.ts";
import type { Funds, Refusal } from "./types.ts";

export function refusalByFunds(neededNanoUsd: NanoUsd, { tightest }: Funds): Refusal | undefined {
  const { by: which, potentialNanoUsd: spendableNanoUsd } = tightest;
  if (neededNanoUsd <= spendableNanoUsd) return undefined;
  return { kind: "insufficient_credit", which, neededNanoUsd, spendableNanoUsd };
}
