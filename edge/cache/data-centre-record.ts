// What one account's look-ups in the data centre's cache have found lately, in this isolate. A look-up there costs no
// money, but it delays a miss, and both it and the write after the miss take CPU. Where nothing is ever found, both
// stop except for a sample, which notices when texts come back. The sample is chosen by name, so that every isolate
// writes and looks up the same entries. It gets smaller the longer nothing is found; each smaller sample is a part of
// the one before. Pure.

import { HitRate } from "./hit-rate.ts";

const PRIOR_LOOK_UPS = 4;
const PRIOR_HIT_RATE = 0.5;
/** One name in this many is always looked up. */
const SAMPLE_OF = 16;
/** After this many look-ups in vain the sample is halved, and again every `IN_VAIN_STEP`. */
const IN_VAIN_MAX = 160;
const IN_VAIN_STEP = 16;
/** Down to one name in 256, after about 5,000 texts without a hit. */
const HALVINGS_MAX = 4;

export class DataCentreRecord {
  readonly #rate = new HitRate(PRIOR_LOOK_UPS, PRIOR_HIT_RATE);
  /** Look-ups since the last hit. */
  #inVain = 0;

  get hitRate(): number {
    return this.#rate.value;
  }

  looked(hit: boolean): void {
    this.#rate.looked(hit);
    this.#inVain = hit ? 0 : this.#inVain + 1;
  }

  /** Whether the entry `name` (hex) is in the sample. Any digits of a name are as good as random. */
  isSampled(name: string): boolean {
    const halvings = Math.min(HALVINGS_MAX, Math.max(0, Math.ceil((this.#inVain - IN_VAIN_MAX) / IN_VAIN_STEP)));
    return Number.parseInt(name.slice(12, 16), 16) % (SAMPLE_OF << halvings) === 0;
  }
}
