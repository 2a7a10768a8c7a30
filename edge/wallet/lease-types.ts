// What an isolate's lease, its driver and the wallet share.

import type {
  Amount,
  Funds,
  IdempotencyState,
  IdempotencyStep,
  OtherLease,
  RateView,
  Rights,
  SyncMessage,
} from "../ledger/types.ts";
import type { Tier } from "../../shared/wire.ts";

export interface LeaseSettings {
  /** Usage is reported this long after the first unreported call, together with what followed. */
  readonly syncWindowMs: number;
  /** The same while calls come often, or where nothing but refusals is to be told: more of them share one message and one row. */
  readonly busySyncWindowMs: number;
  /** A message that is not answered so long may have been applied and forgotten: a lease's life (LedgerSettings). */
  readonly leaseTtlMs: number;
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

/** The step that the lease for one call with an `Idempotency-Key` begins with. */
export type StrictTerms = Extract<IdempotencyStep, { kind: "begin" }>;

/** What the object last said. */
export interface Standing {
  readonly rights: Rights;
  readonly funds: Funds;
  readonly rates: readonly RateView[];
  readonly tight: boolean;
  readonly others: readonly OtherLease[];
  /** When it was heard, by the isolate's clock. */
  readonly atMs: number;
  readonly idempotency?: IdempotencyState;
}

/** The message that is on its way. */
export interface Outstanding {
  readonly message: SyncMessage;
  readonly composedAtMs: number;
  /** The lease ended while this was on its way. */
  lapsed: boolean;
}
