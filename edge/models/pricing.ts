// What a call costs: prices by tier, the upper bound that a lease must cover before the tokens are counted, and the
// exact charge afterwards. Pure.

import type { CatalogModel } from "../../shared/catalog.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { ZERO_NANO_USD, costNanoUsd, nanoUsd } from "../../shared/money.ts";
import type { Tier } from "../../shared/wire.ts";

export interface TierPrices {
  readonly missPerMillion: number;
  readonly hitPerMillion: number;
  readonly minimumNanoUsd: NanoUsd;
}

/** Nano-USD per 1M tokens of a miss and of a hit in `tier`. */
export function pricesOf(model: CatalogModel, tier: Tier): TierPrices {
  const { prices } = model;
  return tier === "batch"
    ? {
        missPerMillion: prices.batchPriceNanoUsdPerMillion,
        hitPerMillion: prices.batchHitPriceNanoUsdPerMillion,
        minimumNanoUsd: prices.minimumChargeNanoUsd,
      }
    : {
        missPerMillion: prices.priceNanoUsdPerMillion,
        hitPerMillion: prices.hitPriceNanoUsdPerMillion,
        minimumNanoUsd: prices.minimumChargeNanoUsd,
      };
}

/** The most that `tokens` can cost: none of them a hit. */
export function costBound(prices: TierPrices, tokens: number): NanoUsd {
  const perMillion = Math.max(prices.missPerMillion, prices.hitPerMillion);
  return costNanoUsd([{ tokens, priceNanoUsdPerMillion: perMillion }], prices.minimumNanoUsd);
}

export interface Charge {
  readonly tokens: number;
  readonly cachedTokens: number;
  readonly costNanoUsd: NanoUsd;
  /** What the same tokens would have cost without the cache, minus `costNanoUsd`. */
  readonly savedNanoUsd: NanoUsd;
}

interface PricedText {
  readonly tokens: number;
  readonly hit: boolean;
  pay?(): void;
}

/** Tokens of all `texts`, and of those that were hits. Those that were none are paid for from now on. */
export function sumTokens(texts: readonly PricedText[]): Pick<Charge, "tokens" | "cachedTokens"> {
  let tokens = 0;
  let cachedTokens = 0;
  for (const text of texts) {
    tokens += text.tokens;
    if (text.hit) cachedTokens += text.tokens;
    else text.pay?.();
  }
  return { tokens, cachedTokens };
}

/** The exact charge for texts, some of them hits: one sum, rounded up once. No text, no charge. */
export function chargeOf(prices: TierPrices, texts: readonly PricedText[]): Charge {
  const { tokens, cachedTokens } = sumTokens(texts);
  if (texts.length === 0) return { tokens, cachedTokens, costNanoUsd: ZERO_NANO_USD, savedNanoUsd: ZERO_NANO_USD };
  const cost = costNanoUsd(
    [
      { tokens: tokens - cachedTokens, priceNanoUsdPerMillion: prices.missPerMillion },
      { tokens: cachedTokens, priceNanoUsdPerMillion: prices.hitPerMillion },
    ],
    prices.minimumNanoUsd,
  );
  return {
    tokens,
    cachedTokens,
    costNanoUsd: cost,
    savedNanoUsd: nanoUsd(Math.max(0, costBound(prices, tokens) - cost)),
  };
}
