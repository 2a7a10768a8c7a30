// The audit's randomness: the same call for the same seed and number, whatever ran before it.

import { createHash } from "node:crypto";

export class Dice {
  readonly #name: string;
  #thrown = 0;

  constructor(seed: number, name: string | number) {
    this.#name = `${seed}:${name}`;
  }

  /** A uniform integer in [0, bound). */
  below(bound: number): number {
    this.#thrown += 1;
    return createHash("sha256").update(`${this.#name}:${this.#thrown}`).digest().readUInt32LE(0) % bound;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  oneOf<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("nothing to choose from");
    return item;
  }
}
