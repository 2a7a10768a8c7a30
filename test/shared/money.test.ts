import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { costNanoUsd, formatUsd, nanoUsd, parseUsd, usdNumber } from "../../shared/money.ts";

const PRICE = 8_000_000;

describe("costNanoUsd", () => {
  test("a million tokens cost the price of a million tokens", () => {
    expect(costNanoUsd([{ tokens: 1_000_000, priceNanoUsdPerMillion: PRICE }])).toBe(PRICE);
  });

  test("parts are summed exactly and rounded up once", () => {
    const third = { tokens: 1, priceNanoUsdPerMillion: 333_333 };
    expect(costNanoUsd([third, third, third])).toBe(1);
    expect(costNanoUsd([{ tokens: 3, priceNanoUsdPerMillion: 333_334 }])).toBe(2);
  });

  test("a product beyond 2^53 stays exact", () => {
    const tokens = 999_999_999_937;
    expect(costNanoUsd([{ tokens, priceNanoUsdPerMillion: PRICE }])).toBe(tokens * 8);
  });

  test("a minimum charge applies to what is below it", () => {
    expect(costNanoUsd([{ tokens: 1, priceNanoUsdPerMillion: PRICE }], 1000)).toBe(1000);
    expect(costNanoUsd([{ tokens: 1000, priceNanoUsdPerMillion: PRICE }], 1000)).toBe(8000);
  });

  test("a fraction of a nano-dollar or of a token is refused", () => {
    expect(() => nanoUsd(0.5)).toThrow("safe integer");
    expect(() => costNanoUsd([{ tokens: 1.5, priceNanoUsdPerMillion: PRICE }])).toThrow("tokens");
  });

  test("never less than the exact sum, never a nano-dollar or more above it", () => {
    const part = fc.record({ tokens: fc.nat(10_000_000), priceNanoUsdPerMillion: fc.nat(100_000_000) });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const exact = parts.reduce((sum, p) => sum + BigInt(p.tokens) * BigInt(p.priceNanoUsdPerMillion), 0n);
        const excess = BigInt(costNanoUsd(parts)) * 1_000_000n - exact;
        expect(excess >= 0n && excess < 1_000_000n).toBe(true);
      }),
    );
  });
});

describe("USD as text", () => {
  test.each([
    [0, "0"],
    [1, "0.000000001"],
    [1_600, "0.0000016"],
    [5_000_000_000, "5"],
    [-250_000_000, "-0.25"],
    [9_007_199_254_740_991, "9007199.254740991"],
  ])("%d nano-USD is written %s", (amount, text) => {
    expect(formatUsd(nanoUsd(amount))).toBe(text);
  });

  test("what is written reads back to the same amount", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (amount) => {
        expect(parseUsd(formatUsd(nanoUsd(amount)))).toBe(amount);
      }),
    );
  });

  test("small JSON numbers are read exactly, exponents included", () => {
    expect(parseUsd(1e-7)).toBe(100);
    expect(parseUsd(0.1)).toBe(100_000_000);
    expect(usdNumber(nanoUsd(1600))).toBe(0.0000016);
  });

  test.each(["-1", "1e3", "", "0.0000000001", "12345678", "abc", " 1"])("%j is no amount", (text) => {
    expect(parseUsd(text)).toBeUndefined();
  });
});
