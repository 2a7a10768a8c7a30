// An amount in a body, as decimal USD or as whole nano-USD, and in an answer, as both.

import { NANO_USD_PER_CENT } from "../billing/cents.ts";
import { apiError } from "../../shared/errors.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { formatUsd, nanoUsd, parseUsd } from "../../shared/money.ts";
import { wrongValue } from "../../shared/schemas/fields.ts";

const RULE = "an amount of USD above 0 with at most 9 decimals, like 5 or 0.25";

export const CENTS_RULE = "an amount of USD in whole cents, like 20 or 12.50";

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

/** `{name}_usd` as whole cents above 0. Throws ApiError. */
export function readCents(name: string, usd: number | string): NanoUsd {
  const amount = readAmount(name, usd, undefined);
  if (amount % NANO_USD_PER_CENT === 0) return amount;
  throw wrongValue(`${name}_usd`, CENTS_RULE, usd);
}

/** In decimal USD for people and in whole nano-USD for programs. */
export function usdAnd(name: string, value: NanoUsd): object {
  return { [`${name}_usd`]: formatUsd(value), [`${name}_nano_usd`]: value };
}
