// Limits how often one network may try routes that need no key, or wrong operator keys. A network is an IPv4 address,
// or the /64 of an IPv6 address, which one subscriber holds. Per isolate and in memory: it guards against hammering and
// is not a sold limit, so it needs no storage. The least recently seen networks are dropped first.

import ipaddr from "ipaddr.js";
import { LRUCache } from "lru-cache";
import { apiError } from "../../shared/errors.ts";

const NETWORKS_MAX = 10_000;
const IPV6_NETWORK_BITS = 64;
const MS_PER_MINUTE = 60_000;

export class AddressLimit {
  readonly #perMinute: number;
  readonly #now: () => number;
  /** When a network's allowance is full again (generic cell rate algorithm): one number each. */
  readonly #fullAt = new LRUCache<string, number>({ max: NETWORKS_MAX });

  /** `perMinute`: the sustained rate and the burst. */
  constructor(perMinute: number, now: () => number = () => Date.now()) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Counts one try of the network that holds `address`. */
  count(address: string): void {
    const nowMs = this.#now();
    const network = networkOf(address);
    this.#fullAt.set(network, Math.max(nowMs, this.#fullAt.get(network) ?? 0) + MS_PER_MINUTE / this.#perMinute);
  }

  /** Counts one try, or throws `rate_limit_exceeded`. */
  take(address: string): void {
    this.check(address);
    this.count(address);
  }

  /** Throws `rate_limit_exceeded` if the network of `address` is over its limit. */
  check(address: string): void {
    const waitMs = this.#waitMs(address);
    if (waitMs <= 0) return;
    const seconds = Math.ceil(waitMs / 1000);
    throw apiError(
      "rate_limit_exceeded",
      `Over the limit of ${this.#perMinute} tries a minute of this network. Try again in ${seconds} s.`,
      null,
      seconds,
    );
  }

  #waitMs(address: string): number {
    const oneMs = MS_PER_MINUTE / this.#perMinute;
    return (this.#fullAt.get(networkOf(address)) ?? 0) + oneMs - MS_PER_MINUTE - this.#now();
  }
}

/** `2001:db8:1:2::/64` for any address in it; an IPv4 address as it is. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === "ipv4") return parsed.toString();
  return ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/${IPV6_NETWORK_BITS}`).toString();
}
