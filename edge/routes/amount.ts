// An amount in a body, as decimal USD or as whole nano-USD: one of the two.

import { apiError } from "../../shared/errors.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd, parseUsd } from "../../shared/money.ts";
import { wrongValue } from "../../shared/schemas/fields.ts";

const RULE = "an amount of USD above 0 with at most 9 decimals, like 5 or 0.25";

/** `{name}_usd` or `{name}_nano_usd`; throws ApiError for both, none, or what is no amount above 0. */
export function readAmount(name: string, usd: number | string | undefined, nano: number | undefined): NanoUsd {
  if (usd !== undefined && nano !== undefined)
    throw apiError("incompatible_options", `Send \`${name}_usd\` or \`${name}_nano_usd\`, not both.`, `${name}_usd`);
  if (nano !== undefined) return nanoUsd(nano);
  const amount = usd === undefined ? undefined : parseUsd(usd);
  if (amount !== undefined && amount > 0) return amount;
  if (usd !== undefined) throw wrongValue(`${name}_usd`, RULE, usd);
  throw apiError("missing_field", `\`${name}_usd\` is missing: it must be ${RULE}.`, `${name}_usd`);
}
