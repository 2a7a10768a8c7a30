// What a lease session, its driver and the wallet share.

import type { Amount, Funds, IdempotencyState, IdempotencyStep, RateView, Rights } from "./types.ts";
import type { Tier } from "../../shared/wire.ts";

export interface SessionSettings {
  /** Usage is reported this long after the first unreported call, together with what followed. */
  readonly syncWindowMs: number;
  /** The same while calls come often: twice the calls share one message and one row. */
  readonly busySyncWindowMs: number;
  /** The object forgets a session no sooner than this after its lease ended. */
  readonly sessionMemoryMs: number;
}

/** One call in flight. */
export interface Work {
  readonly need: Amount;
  readonly model: string;
  readonly tier: Tier;
  readonly startedAtMs: number;
  state: "running" | "done" | "cancelled";
  onCancel: (() => void) | undefined;
}

/** A call that waits for a lease. */
export interface Waiter {
  readonly need: Amount;
  readonly model: string;
  readonly tier: Tier;
  work: Work | undefined;
}

export interface StrictTerms {
  readonly lifeMs: number;
  readonly begin: Extract<IdempotencyStep, { kind: "begin" }>;
}

/** What the object last said. */
export interface Standing {
  readonly rights: Rights;
  readonly funds: Funds;
  readonly rates: readonly RateView[];
  readonly tight: boolean;
  readonly idempotency?: IdempotencyState;
}
