// Types that an isolate's lease, its driver and the wallet share.

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
  /** Usage is reported this long after the first unreported call, together with the calls since. */
  readonly syncWindowMs: number;
  /** The same while calls come often, or where only refusals are to be reported: more calls share a row. */
  readonly busySyncWindowMs: number;
  /** A lease's life (LedgerSettings). A message unanswered for so long may have been applied and forgotten. */
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

/** The `Idempotency-Key` that a strict lease begins with. */
export type StrictTerms = Extract<IdempotencyStep, { kind: "begin" }>;

/** The object's last report. */
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

/** A message that has not been answered yet. */
export interface Outstanding {
  readonly message: SyncMessage;
  readonly composedAtMs: number;
  /** The lease ended before the answer. */
  lapsed: boolean;
}
