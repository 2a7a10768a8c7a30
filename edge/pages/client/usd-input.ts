// USD as people type it into a form, as nano-USD. Pure.

import { parseUsd } from "../../../shared/money.ts";

/** Whole nano-USD; undefined for an empty field and for what is no amount. */
export function nanoOf(value: FormDataEntryValue | null): number | undefined {
  return typeof value === "string" && value !== "" ? parseUsd(value) : undefined;
}
