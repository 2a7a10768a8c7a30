// Which texts may use the shared tiers. A KV operation costs money; a hit saves the GPU's work but is sold at a
// discount. So a look-up or a write pays only for texts above a certain length and at a high enough hit rate. The data
// centre's cache costs only CPU and time, so it has a limit of its own. Pure arithmetic over named inputs. Prices of
// operations: Cloudflare, Workers KV; a million milliseconds of CPU. The limits that follow:
// test/edge/cache/admission.test.ts; a simulation against always-write, never-write and no KV at all:
// test/edge/cache/admission-simulation.test.ts.

import type { Prices } from "../../shared/catalog.ts";

const TOKENS_PER_PRICE_UNIT = 1_000_000;

export interface AdmissionInputs {
  /** Nano-USD per operation; a look-up that misses costs a read too. */
  readonly kvReadNanoUsd: number;
  readonly kvWriteNanoUsd: number;
  /** CPU of a look-up in the data centre's cache, and of the write after a miss. */
  readonly dataCentreNanoUsd: number;
  /** Nano-USD per 1,000,000 tokens. */
  readonly priceNanoUsdPerMillion: number;
  readonly hitPriceNanoUsdPerMillion: number;
  /** What the GPU's work costs, as a share of the price. */
  readonly gpuShare: number;
}

export const KV_READ_NANO_USD = 500;
export const KV_WRITE_NANO_USD = 5000;
/** About 0.2 ms of CPU at $0.02 per 1,000,000 ms. */
const DATA_CENTRE_NANO_USD = 4;
/**
 * A look-up delays a miss by about a fiftieth of the time that a hit saves: below this rate, callers lose time by it.
 */
const DATA_CENTRE_HIT_RATE_MIN = 0.02;
const GPU_SHARE = 0.7;

export function admissionInputs(
  prices: Pick<Prices, "priceNanoUsdPerMillion" | "hitPriceNanoUsdPerMillion">,
): AdmissionInputs {
  const { priceNanoUsdPerMillion, hitPriceNanoUsdPerMillion } = prices;
  return {
    kvReadNanoUsd: KV_READ_NANO_USD,
    kvWriteNanoUsd: KV_WRITE_NANO_USD,
    dataCentreNanoUsd: DATA_CENTRE_NANO_USD,
    priceNanoUsdPerMillion,
    hitPriceNanoUsdPerMillion,
    gpuShare: GPU_SHARE,
  };
}

/**
 * Nano-USD that a hit on a text of `tokens` earns more than a miss: the GPU's work saved less the discount; may be < 0.
 */
export function gainPerHit(inputs: AdmissionInputs, tokens: number): number {
  const { priceNanoUsdPerMillion: price, hitPriceNanoUsdPerMillion: hitPrice, gpuShare } = inputs;
  return (tokens * (gpuShare * price - (price - hitPrice))) / TOKENS_PER_PRICE_UNIT;
}

/** Whether a KV look-up of a text of `tokens` pays when a share `hitRate` of look-ups finds something. */
export function lookUpPays(inputs: AdmissionInputs, tokens: number, hitRate: number): boolean {
  return hitRate * gainPerHit(inputs, tokens) > inputs.kvReadNanoUsd;
}

/** Whether a look-up in the data centre's cache pays its CPU and delay when a share `hitRate` finds something. */
export function dataCentrePays(inputs: AdmissionInputs, tokens: number, hitRate: number): boolean {
  return hitRate >= DATA_CENTRE_HIT_RATE_MIN && hitRate * gainPerHit(inputs, tokens) > inputs.dataCentreNanoUsd;
}

/** Whether a KV write of a text of `tokens` pays when an entry is found `hitsPerWrite` times before it expires. */
export function writePays(inputs: AdmissionInputs, tokens: number, hitsPerWrite: number): boolean {
  return hitsPerWrite * (gainPerHit(inputs, tokens) - inputs.kvReadNanoUsd) > inputs.kvWriteNanoUsd;
}

/** The shortest text, in tokens, whose hits pay for their look-ups: below it KV loses money at any hit rate. */
export function tokensMin(inputs: AdmissionInputs): number {
  const perToken = gainPerHit(inputs, 1);
  return perToken <= 0 ? Number.POSITIVE_INFINITY : Math.floor(inputs.kvReadNanoUsd / perToken) + 1;
}
