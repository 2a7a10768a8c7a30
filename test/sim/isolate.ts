// An isolate in the simulation: sessions, waiting and running calls, and its own clock.

import type { LeaseSession } from "../../edge/wallet/lease-session.ts";
import type { Waiter, Work } from "../../edge/wallet/session-types.ts";

/** One token's price in the simulation: the production price, 8,000,000 per million. */
export const NANO_USD_PER_TOKEN = 8;
export const MODEL = "owner/model";

/** A call that runs in an isolate. */
export interface Running {
  readonly session: LeaseSession;
  readonly work: Work;
  readonly key: number;
  readonly tokens: number;
  readonly strict: StrictCall | undefined;
}

interface Queued {
  readonly session: LeaseSession;
  readonly waiter: Waiter;
  readonly key: number;
  readonly tokens: number;
  readonly afterComposed: number;
  readonly strict: StrictCall | undefined;
}

export interface StrictCall {
  readonly session: LeaseSession;
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
  readonly sessions: Map<number, LeaseSession>;
  /** Every session it ever had. */
  readonly all: LeaseSession[];
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
    sessions: new Map(),
    all: [],
    queued: [],
    running: [],
    strict: [],
    chargedNanoUsd: 0,
  };
}
