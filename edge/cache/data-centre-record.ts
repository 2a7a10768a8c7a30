// What one account's use of the data centre's cache has yielded lately, in this isolate. A look-up there is free of
// charge but delays a miss and takes CPU, as does the write behind it, so they stop where nothing is ever found: all but
// a sample, chosen by name, so that every isolate writes and asks for the same ones, and notices when texts come back. Pure.

import { HitRate } from "./hit-rate.ts";

const PRIOR_LOOK_UPS = 4;
const PRIOR_HIT_RATE = 0.5;
/** One name in this many is always looked up. */
const SAMPLE_OF = 16;

export class DataCentreRecord {
  readonly #rate = new HitRate(PRIOR_LOOK_UPS, PRIOR_HIT_RATE);

  get hitRate(): number {
    return this.#rate.value;
  }

  looked(hit: boolean): void {
    this.#rate.looked(hit);
  }
}

/** Whether the entry called `name` (hex) is of the sample. Names are HMACs: any of their digits are as good as random. */
export function isSampled(name: string): boolean {
  return Number.parseInt(name.slice(12, 16), 16) % SAMPLE_OF === 0;
}
