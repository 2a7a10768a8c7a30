// How often one address may try, for the routes that anybody may call without a key of ours and for wrong operator
// keys. Per isolate and in memory: a guard against hammering, not a sold limit, so it needs no storage. Least recently
// seen addresses are forgotten first.

import { LRUCache } from "lru-cache";
import { apiError } from "../../shared/errors.ts";

const ADDRESSES_MAX = 10_000;
const MS_PER_MINUTE = 60_000;

export class AddressLimit {
  readonly #perMinute: number;
  readonly #now: () => number;
  /** When an address's allowance is whole again (generic cell rate algorithm): one number each. */
  readonly #fullAt = new LRUCache<string, number>({ max: ADDRESSES_MAX });

  /** `perMinute`: sustained, and at once. */
  constructor(perMinute: number, now: () => number = () => Date.now()) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Counts one try. */
  count(address: string): void {
    const nowMs = this.#now();
    this.#fullAt.set(address, Math.max(nowMs, this.#fullAt.get(address) ?? 0) + MS_PER_MINUTE / this.#perMinute);
  }

  /** Counts one try, or throws `rate_limit_exceeded`. */
  take(address: string): void {
    this.check(address);
    this.count(address);
  }

  /** Throws `rate_limit_exceeded` for an address that is over. */
  check(address: string): void {
    const waitMs = this.#waitMs(address);
    if (waitMs <= 0) return;
    const seconds = Math.ceil(waitMs / 1000);
    throw apiError(
      "rate_limit_exceeded",
      `Over the limit of ${this.#perMinute} tries a minute of this address. Try again in ${seconds} s.`,
      null,
      seconds,
    );
  }

  #waitMs(address: string): number {
    const oneMs = MS_PER_MINUTE / this.#perMinute;
    return (this.#fullAt.get(address) ?? 0) + oneMs - MS_PER_MINUTE - this.#now();
  }
}
