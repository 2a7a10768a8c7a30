// USD in forms: an amount as an input shows it, and back. Pure.

import { formatUsd, nanoUsd, parseUsd } from "../../../shared/money.ts";

/** undefined: empty, or not an amount. */
export function nanoOf(value: FormDataEntryValue | null): number | undefined {
  return typeof value === "string" && value !== "" ? parseUsd(value) : undefined;
}

/** Empty for none. */
export function usdOf(amountNanoUsd: number | null | undefined): string {
  return amountNanoUsd === null || amountNanoUsd === undefined ? "" : formatUsd(nanoUsd(amountNanoUsd));
}
