// Whether the account has enough credit for a need, what leases hold included: the same answer for a call and a batch.

import type { NanoUsd } from "../../shared/money.ts";
import type { Funds, Refusal } from "./types.ts";

export function refusalByFunds(
  neededNanoUsd: NanoUsd,
  { tightest }: Funds,
): Extract<Refusal, { kind: "insufficient_credit" }> | undefined {
  const { by: which, potentialNanoUsd: spendableNanoUsd } = tightest;
  if (neededNanoUsd <= spendableNanoUsd) return undefined;
  return { kind: "insufficient_credit", which, neededNanoUsd, spendableNanoUsd };
}
