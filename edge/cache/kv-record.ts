// What one account's use of KV has yielded lately, in this isolate: the two rates by which admission.ts decides. Counts
// fade, so that a change of traffic is noticed, and a prior stands in until there is evidence. Pure.

/** Weight of the prior, in look-ups and in writes. */
const PRIOR_LOOK_UPS = 10;
const PRIOR_HIT_RATE = 0.5;
const PRIOR_WRITES = 4;
const PRIOR_HITS_PER_WRITE = 4;
/** From this many look-ups on, the past is halved. */
const FADE_AT = 512;
/** Below the line every so many-th look-up is made all the same: it may pay again by now. */
export const EXPLORE_EVERY = 32;

export class KvRecord {
  #lookUps = 0;
  #hits = 0;
  #writes = 0;
  #skipped = 0;

  get hitRate(): number {
    return (this.#hits + PRIOR_LOOK_UPS * PRIOR_HIT_RATE) / (this.#lookUps + PRIOR_LOOK_UPS);
  }

  get hitsPerWrite(): number {
    return (this.#hits + PRIOR_WRITES * PRIOR_HITS_PER_WRITE) / (this.#writes + PRIOR_WRITES);
  }

  looked(hit: boolean): void {
    this.#lookUps += 1;
    if (hit) this.#hits += 1;
    if (this.#lookUps < FADE_AT) return;
    this.#lookUps /= 2;
    this.#hits /= 2;
    this.#writes /= 2;
  }

  wrote(): void {
    this.#writes += 1;
  }

  /** A look-up that would not pay: whether it is made all the same, to learn. */
  explores(): boolean {
    this.#skipped += 1;
    return this.#skipped % EXPLORE_EVERY === 0;
  }
}
