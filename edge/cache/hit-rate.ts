// The hit rate of recent look-ups. Older counts fade, so that a change of traffic shows; a prior counts until there is
// evidence. Pure.

/** At this many look-ups all counts are halved. */
const FADE_AT = 512;

export class HitRate {
  hits = 0;
  #lookUps = 0;
  readonly #priorLookUps: number;
  readonly #priorRate: number;

  /** `priorLookUps`: the weight of `priorRate`. */
  constructor(priorLookUps: number, priorRate: number) {
    this.#priorLookUps = priorLookUps;
    this.#priorRate = priorRate;
  }

  /** 0..1 */
  get value(): number {
    return (this.hits + this.#priorLookUps * this.#priorRate) / (this.#lookUps + this.#priorLookUps);
  }

  /** Counts a look-up. True: the counts were halved, and the caller must halve what it counts beside them. */
  looked(hit: boolean): boolean {
    this.#lookUps += 1;
    if (hit) this.hits += 1;
    if (this.#lookUps < FADE_AT) return false;
    this.#lookUps /= 2;
    this.hits /= 2;
    return true;
  }
}
