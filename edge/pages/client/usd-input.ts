// USD from a form as nano-USD. Pure.

import { parseUsd } from "../../../shared/money.ts";

/** undefined: empty, or not an amount. */
export function nanoOf(value: FormDataEntryValue | null): number | undefined {
  return typeof value === "string" && value !== "" ? parseUsd(value) : undefined;
}
