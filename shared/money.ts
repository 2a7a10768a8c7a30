// Money is integers of nano-USD (1e-9 $), never floats. A product that could exceed 2^53 is computed in BigInt and
// rounded up once. The largest amount is 2^53 - 1 nano-USD = $9,007,199.25.

import { assert } from "./assert.ts";

declare const nanoUsdBrand: unique symbol;
/** Integer nano-USD, exact: |value| <= Number.MAX_SAFE_INTEGER. */
export type NanoUsd = number & { readonly [nanoUsdBrand]: true };

export const NANO_USD_PER_USD = 1_000_000_000;
const TOKENS_PER_PRICE_UNIT = 1_000_000;
const FRACTION_DIGITS = 9;
const ZERO_DIGIT = 0x30;

/** Brands an integer of nano-USD. Throws AssertionError for a fraction or a value beyond 2^53 - 1. */
export function nanoUsd(value: number): NanoUsd {
  assert(Number.isSafeInteger(value), () => `nano-USD must be a safe integer, got ${value}`);
  return value as NanoUsd;
}

export const ZERO_NANO_USD = nanoUsd(0);

/** `tokens` at `priceNanoUsdPerMillion` (nano-USD per 1,000,000 tokens). */
export interface PricedTokens {
  readonly tokens: number;
  readonly priceNanoUsdPerMillion: number;
}

/**
 * The cost of one request (or one line of a batch): the exact sum of its parts, rounded up once, at least
 * `minimumNanoUsd`. Rules: docs/contract.md, Money.
 */
export function costNanoUsd(parts: readonly PricedTokens[], minimumNanoUsd: number = 0): NanoUsd {
  let numerator = 0;
  for (const { tokens, priceNanoUsdPerMillion } of parts) {
    assert(Number.isSafeInteger(tokens) && tokens >= 0, () => `tokens must be a count, got ${tokens}`);
    assert(
      Number.isSafeInteger(priceNanoUsdPerMillion) && priceNanoUsdPerMillion >= 0,
      () => `a price must be whole nano-USD, got ${priceNanoUsdPerMillion}`,
    );
    numerator += tokens * priceNanoUsdPerMillion;
  }
  // Doubles are exact up to there, and of positive terms none has been rounded on the way.
  const rounded = numerator <= Number.MAX_SAFE_INTEGER ? roundedUp(numerator) : bigCost(parts);
  return nanoUsd(Math.max(rounded, minimumNanoUsd));
}

function roundedUp(numerator: number): number {
  const rest = numerator % TOKENS_PER_PRICE_UNIT;
  return (numerator - rest) / TOKENS_PER_PRICE_UNIT + (rest > 0 ? 1 : 0);
}

function bigCost(parts: readonly PricedTokens[]): number {
  const unit = BigInt(TOKENS_PER_PRICE_UNIT);
  let numerator = 0n;
  for (const { tokens, priceNanoUsdPerMillion: price } of parts) numerator += BigInt(tokens) * BigInt(price);
  return Number((numerator + unit - 1n) / unit);
}

/** Nano-USD as a decimal USD string without trailing zeros: 1_600 → "0.0000016". Exact. */
export function formatUsd(amount: NanoUsd): string {
  const sign = amount < 0 ? "-" : "";
  const digits = String(Math.abs(amount)).padStart(FRACTION_DIGITS + 1, "0");
  const point = digits.length - FRACTION_DIGITS;
  let end = digits.length;
  while (end > point && digits.charCodeAt(end - 1) === ZERO_DIGIT) end -= 1;
  const whole = sign + digits.slice(0, point);
  return end === point ? whole : `${whole}.${digits.slice(point, end)}`;
}

/**
 * Nano-USD as a JSON number of USD, for display: the nearest double, which prints the same decimals, since both are exact
 * and a division is rounded once. Nothing computes with it.
 */
export function usdNumber(amount: NanoUsd): number {
  return amount / NANO_USD_PER_USD;
}

const USD_PATTERN = /^(\d{1,7})(?:\.(\d{1,9}))?$/;

/** Parses a decimal amount of USD ("0.01", 5) exactly; undefined if it is none, is negative, or has over 9 decimals. */
export function parseUsd(value: string | number): NanoUsd | undefined {
  const text = typeof value === "number" ? plainDecimal(value) : value;
  const match = USD_PATTERN.exec(text);
  if (match === null) return undefined;
  const [, whole = "0", fraction = ""] = match;
  const amount = Number(whole) * NANO_USD_PER_USD + Number(fraction.padEnd(9, "0"));
  return Number.isSafeInteger(amount) ? nanoUsd(amount) : undefined;
}

/** `String(value)` without an exponent for the small amounts that JSON clients send (1e-7). */
function plainDecimal(value: number): string {
  const text = String(value);
  const match = /^(\d)(?:\.(\d+))?e-(\d+)$/.exec(text);
  if (match === null) return text;
  const [, lead = "", rest = "", exponent = "0"] = match;
  return `0.${"0".repeat(Number(exponent) - 1)}${lead}${rest}`;
}
