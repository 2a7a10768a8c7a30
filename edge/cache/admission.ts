// What may use KV: arithmetic over named inputs, pure. A KV operation costs money, a hit saves the GPU's work but is
// sold at a discount; so a look-up, and a write, is worth it only above a length and above a rate of success. Prices of
// operations: Cloudflare, Workers KV. The reasoning and a table: design.md, Cache; the simulation that checks it
// against always-write, never-write and no KV at all: test/edge/cache/admission-simulation.test.ts.

import type { Prices } from "../../shared/catalog.ts";

const TOKENS_PER_PRICE_UNIT = 1_000_000;

export interface AdmissionInputs {
  /** Nano-USD per operation; a miss costs a read too. */
  readonly kvReadNanoUsd: number;
  readonly kvWriteNanoUsd: number;
  /** Nano-USD per 1,000,000 tokens. */
  readonly priceNanoUsdPerMillion: number;
  readonly hitPriceNanoUsdPerMillion: number;
  /** What the GPU's work costs, as a share of the price. */
  readonly gpuShare: number;
}

export const KV_READ_NANO_USD = 500;
export const KV_WRITE_NANO_USD = 5000;
export const GPU_SHARE = 0.7;

export function admissionInputs(
  prices: Pick<Prices, "priceNanoUsdPerMillion" | "hitPriceNanoUsdPerMillion">,
): AdmissionInputs {
  const { priceNanoUsdPerMillion, hitPriceNanoUsdPerMillion } = prices;
  return {
    kvReadNanoUsd: KV_READ_NANO_USD,
    kvWriteNanoUsd: KV_WRITE_NANO_USD,
    priceNanoUsdPerMillion,
    hitPriceNanoUsdPerMillion,
    gpuShare: GPU_SHARE,
  };
}

/** Nano-USD that a hit on a text of `tokens` earns more than a miss: the GPU's work saved, less the discount. May be negative. */
export function gainPerHit(inputs: AdmissionInputs, tokens: number): number {
  const { priceNanoUsdPerMillion: price, hitPriceNanoUsdPerMillion: hitPrice, gpuShare } = inputs;
  return (tokens * (gpuShare * price - (price - hitPrice))) / TOKENS_PER_PRICE_UNIT;
}

/** Whether asking KV for a text of `tokens` is worth its price when a share `hitRate` of look-ups finds something. */
export function lookUpPays(inputs: AdmissionInputs, tokens: number, hitRate: number): boolean {
  return hitRate * gainPerHit(inputs, tokens) > inputs.kvReadNanoUsd;
}

/** Whether storing a text of `tokens` is worth its price when an entry is found `hitsPerWrite` times before it is forgotten. */
export function writePays(inputs: AdmissionInputs, tokens: number, hitsPerWrite: number): boolean {
  return hitsPerWrite * (gainPerHit(inputs, tokens) - inputs.kvReadNanoUsd) > inputs.kvWriteNanoUsd;
}

/** The shortest text, in tokens, whose every hit is worth its look-up: below it KV loses money whatever the rate. */
export function tokensMin(inputs: AdmissionInputs): number {
  const perToken = gainPerHit(inputs, 1);
  return perToken <= 0 ? Number.POSITIVE_INFINITY : Math.floor(inputs.kvReadNanoUsd / perToken) + 1;
}
