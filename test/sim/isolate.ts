// An isolate in the simulation: leases, waiting and running calls, and its own clock.

import type { KeyLease } from "../../edge/wallet/key-lease.ts";
import type { Waiter, Work } from "../../edge/wallet/lease-types.ts";
import type { StrictLease } from "../../edge/wallet/strict-lease.ts";

/** One token's price in the simulation: the production price, 8,000,000 per million. */
export const NANO_USD_PER_TOKEN = 8;
export const MODEL = "owner/model";

/** A call that runs in an isolate. */
export interface Running {
  readonly lease: KeyLease;
  readonly work: Work;
  readonly key: number;
  readonly tokens: number;
  readonly strict: StrictCall | undefined;
}

interface Queued {
  readonly lease: KeyLease;
  readonly waiter: Waiter;
  readonly key: number;
  readonly tokens: number;
  readonly afterComposed: number;
  readonly strict: StrictCall | undefined;
}

export interface StrictCall {
  readonly lease: StrictLease;
  /** The place of the call's key among the account's keys. */
  readonly accountKey: number;
  readonly key: string;
  readonly bodyHash: string;
  /** Whether the object has applied its last message. */
  applied: boolean;
  costNanoUsd: number;
  state: "asking" | "running" | "finishing" | "over";
  closeSoon: boolean;
}

export interface Isolate {
  alive: boolean;
  readonly offsetMs: number;
  /** Its clock gains this much per second of true time. */
  readonly driftMsPerS: number;
  readonly leases: Map<number, KeyLease>;
  /** Every lease it ever had. */
  readonly all: KeyLease[];
  readonly queued: Queued[];
  readonly running: Running[];
  readonly strict: StrictCall[];
  /** The total that this isolate settled as charged. */
  chargedNanoUsd: number;
}

export function newIsolate(chance: number): Isolate {
  return {
    alive: true,
    offsetMs: (chance % 7) * 1_000_003 - 3_000_000,
    driftMsPerS: (chance % 11) - 5,
    leases: new Map(),
    all: [],
    queued: [],
    running: [],
    strict: [],
    chargedNanoUsd: 0,
  };
}
