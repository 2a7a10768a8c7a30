// What one account's use of the data centre's cache has yielded lately, in this isolate. A look-up there costs no money,
// but it delays a miss, and it and the write behind it take CPU. Where nothing is ever found both stop, but for a sample
// that notices when texts come back. The sample is chosen by name, so that every isolate writes and asks for the same
// ones. The longer nothing is found the rarer it gets, each sample a part of the one before. Pure.

import { HitRate } from "./hit-rate.ts";

const PRIOR_LOOK_UPS = 4;
const PRIOR_HIT_RATE = 0.5;
/** One name in this many is always looked up. */
const SAMPLE_OF = 16;
/** More look-ups in vain halve the sample, and every step more does again: 5,000 texts in all. */
const IN_VAIN_MAX = 160;
const IN_VAIN_STEP = 16;
/** In the end one name in 256. */
const HALVINGS_MAX = 4;

export class DataCentreRecord {
  readonly #rate = new HitRate(PRIOR_LOOK_UPS, PRIOR_HIT_RATE);
  /** Look-ups since one found something. */
  #inVain = 0;

  get hitRate(): number {
    return this.#rate.value;
  }

  looked(hit: boolean): void {
    this.#rate.looked(hit);
    this.#inVain = hit ? 0 : this.#inVain + 1;
  }

  /** Whether the entry called `name` (hex) is of the sample. Names are HMACs: any of their digits are as good as random. */
  isSampled(name: string): boolean {
    const halvings = Math.min(HALVINGS_MAX, Math.max(0, Math.ceil((this.#inVain - IN_VAIN_MAX) / IN_VAIN_STEP)));
    return Number.parseInt(name.slice(12, 16), 16) % (SAMPLE_OF << halvings) === 0;
  }
}
