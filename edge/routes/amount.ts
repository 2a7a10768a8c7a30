// Amounts of money: a body gives one as decimal USD or as whole nano-USD, an answer shows it as both.

import * as z from "zod";
import { NANO_USD_PER_CENT } from "../billing/cents.ts";
import { field } from "../openapi/described.ts";
import type { Fields } from "../openapi/described.ts";
import type { JsonSchema } from "../openapi/operation.ts";
import { amountNanoUsd } from "./answers.ts";
import { apiError } from "../../shared/errors.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { formatUsd, nanoUsd, parseUsd } from "../../shared/money.ts";
import { integer, wrongValue } from "../../shared/schemas/fields.ts";

const RULE = "an amount of USD above 0 with at most 9 decimals, like 5 or 0.25";
const CENTS_RULE = "an amount of USD in whole cents, like 20 or 12.50";

/** `{name}_usd` of a body. */
export const usdField = z.union([z.number(), z.string()], { error: () => RULE }).optional();
/** `{name}_usd` of a body, in whole cents. */
export const centsField = z.union([z.number(), z.string()], { error: () => CENTS_RULE });
/** `{name}_nano_usd` of a body. */
export const nanoUsdField = integer(1, Number.MAX_SAFE_INTEGER).optional();

/** The amount above 0 in `{name}_usd` or `{name}_nano_usd`. Throws ApiError for both, none, or another value. */
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

/** Each amount as exact integer of nano-USD, and as decimal USD for people. */
export function amounts(named: Readonly<Record<string, NanoUsd>>): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, amount]) => [
      [`${name}_usd`, formatUsd(amount)],
      [`${name}_nano_usd`, amount],
    ]),
  );
}

/** The two fields of an amount in an answer; `about` describes the first. */
export function amountFields<Source>(
  name: string,
  read: (source: Source) => NanoUsd,
  example: number,
  about?: string,
): Fields<Source> {
  const usd = about === undefined ? z.string() : z.string().describe(about);
  return {
    [`${name}_usd`]: field(usd, (source: Source) => formatUsd(read(source)), formatUsd(nanoUsd(example))),
    [`${name}_nano_usd`]: field(amountNanoUsd, read, example),
  };
}

/** The document's rule of such a body: exactly one of the two fields. */
export const eitherAmount = (name: string): JsonSchema => ({
  oneOf: [
    {
      required: [`${name}_usd`],
      properties: { [`${name}_nano_usd`]: { type: "null" }, [`${name}_usd`]: { type: ["number", "string"] } },
    },
    {
      required: [`${name}_nano_usd`],
      properties: { [`${name}_usd`]: { type: "null" }, [`${name}_nano_usd`]: { type: "integer" } },
    },
  ],
});
