// What one account's look-ups and writes in KV have yielded lately, in this isolate: the two rates that admission.ts
// decides by. Pure.

import { HitRate } from "./hit-rate.ts";

/** Weight of the prior, in look-ups and in writes. */
const PRIOR_LOOK_UPS = 10;
const PRIOR_HIT_RATE = 0.5;
const PRIOR_WRITES = 4;
const PRIOR_HITS_PER_WRITE = 4;
/** Even where look-ups do not pay, one in this many is made, to notice when they pay again. */
const EXPLORE_EVERY = 32;

export class KvRecord {
  readonly #rate = new HitRate(PRIOR_LOOK_UPS, PRIOR_HIT_RATE);
  #writes = 0;
  #skipped = 0;

  get hitRate(): number {
    return this.#rate.value;
  }

  get hitsPerWrite(): number {
    return (this.#rate.hits + PRIOR_WRITES * PRIOR_HITS_PER_WRITE) / (this.#writes + PRIOR_WRITES);
  }

  looked(hit: boolean): void {
    if (this.#rate.looked(hit)) this.#writes /= 2;
  }

  wrote(): void {
    this.#writes += 1;
  }

  /** Whether to make a look-up that does not pay: true for one in EXPLORE_EVERY. */
  explores(): boolean {
    this.#skipped += 1;
    return this.#skipped % EXPLORE_EVERY === 0;
  }
}
