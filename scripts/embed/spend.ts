// --max-cost: the most that the whole job may cost, in nano-USD. A request is sent only if its highest cost fits beside
// those in flight, and the API is told that cost (`X-Max-Cost`), so the job can never cost more.

import type { NanoUsd } from "../../shared/money.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";
import { Stop } from "./stop.ts";

export class Spend {
  readonly #max: NanoUsd | undefined;
  #spent: number;
  #reserved = 0;
  #wake: (() => void)[] = [];

  constructor(max: NanoUsd | undefined, spent: number) {
    this.#max = max;
    this.#spent = spent;
  }

  /**
   * Waits until `most` nano-USD are free. Resolves to what the request may cost: `most`, or less if less is left;
   * undefined without a limit. Throws Stop if nothing is left.
   */
  async reserve(most: number): Promise<NanoUsd | undefined> {
    if (this.#max === undefined) return undefined;
    while (this.#reserved > 0 && this.#spent + this.#reserved + most > this.#max) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    const free = this.#max - this.#spent - this.#reserved;
    if (free <= 0) throw this.reached();
    const part = nanoUsd(Math.min(most, free));
    this.#reserved += part;
    return part;
  }

  /** Ends a reservation: the request cost `cost` nano-USD, 0 if it failed. */
  settle(reserved: NanoUsd | undefined, cost: number): void {
    this.#spent += cost;
    this.#reserved -= reserved ?? 0;
    for (const wake of this.#wake.splice(0)) wake();
  }

  reached(): Stop {
    const spent = formatUsd(nanoUsd(this.#spent));
    return new Stop(
      `--max-cost $${formatUsd(this.#max ?? nanoUsd(0))} is reached: the job has cost $${spent}, and its next request may cost more than what is left. A higher --max-cost goes on.`,
    );
  }
}
