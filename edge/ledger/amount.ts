// Arithmetic on Amount (money, requests, tokens): component-wise and on integers only.

import { assert } from "../../shared/assert.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { ZERO_NANO_USD, nanoUsd } from "../../shared/money.ts";
import type { Amount } from "./types.ts";

export const ZERO: Amount = { nanoUsd: ZERO_NANO_USD, requests: 0, tokens: 0 };

/** An Amount from plain integers; throws AssertionError for a fraction. */
export function amount(nano: number, requests: number, tokens: number): Amount {
  assert(Number.isSafeInteger(requests) && Number.isSafeInteger(tokens), "requests and tokens are integers");
  return { nanoUsd: nanoUsd(nano), requests, tokens };
}

export function plus(a: Amount, b: Amount): Amount {
  return amount(a.nanoUsd + b.nanoUsd, a.requests + b.requests, a.tokens + b.tokens);
}

/** a − b, which must not be negative in any component. */
export function minus(a: Amount, b: Amount): Amount {
  const difference = amount(a.nanoUsd - b.nanoUsd, a.requests - b.requests, a.tokens - b.tokens);
  assert(isNonNegative(difference), "an amount went below zero");
  return difference;
}

/** a − b, where a component that would be negative is 0. */
export function minusFloor(a: Amount, b: Amount): Amount {
  return {
    nanoUsd: nanoUsd(Math.max(0, a.nanoUsd - b.nanoUsd)),
    requests: Math.max(0, a.requests - b.requests),
    tokens: Math.max(0, a.tokens - b.tokens),
  };
}

export function least(a: Amount, b: Amount): Amount {
  return {
    nanoUsd: lessNano(a.nanoUsd, b.nanoUsd),
    requests: Math.min(a.requests, b.requests),
    tokens: Math.min(a.tokens, b.tokens),
  };
}

export function most(a: Amount, b: Amount): Amount {
  return {
    nanoUsd: a.nanoUsd > b.nanoUsd ? a.nanoUsd : b.nanoUsd,
    requests: Math.max(a.requests, b.requests),
    tokens: Math.max(a.tokens, b.tokens),
  };
}

export function isZero(a: Amount): boolean {
  return a.nanoUsd === 0 && a.requests === 0 && a.tokens === 0;
}

export function isNonNegative(a: Amount): boolean {
  return a.nanoUsd >= 0 && a.requests >= 0 && a.tokens >= 0;
}

/** Whether `need` fits into `have` in every component. */
export function covers(have: Amount, need: Amount): boolean {
  return have.nanoUsd >= need.nanoUsd && have.requests >= need.requests && have.tokens >= need.tokens;
}

function lessNano(a: NanoUsd, b: NanoUsd): NanoUsd {
  return a < b ? a : b;
}
