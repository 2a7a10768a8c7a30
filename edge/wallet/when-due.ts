// When a lease's next message is due, from what it holds, runs and has not told. Pure.

import type { Amount } from "../ledger/types.ts";

/** A lease of fewer calls than this is not renewed early: the report after the call renews it. */
const EARLY_UNITS = 4;
/** What a renewal may take, retries included. */
const RENEWAL_MS = 5000;
/** Most calls end within it. */
const SHORT_CALL_MS = 3000;

export interface DueState {
  readonly lease: {
    readonly leasedAtMs: number;
    readonly expiresAtMs: number;
    readonly free: Amount;
    /** What was free when it was last renewed. */
    readonly renewedWith: Amount;
  };
  /** Of the call that has run longest; undefined: none runs. */
  readonly oldestStartedAtMs: number | undefined;
  /** Nothing may be held idle. */
  readonly tight: boolean;
  /** One call like the recent ones. */
  readonly unit: Amount;
  /** When what is untold is to be told at the latest; undefined: nothing is. */
  readonly tellByMs: number | undefined;
}

/** Unix ms by the isolate's clock; undefined: not before something happens. */
export function whenDue(state: DueState, nowMs: number): number | undefined {
  const { lease, oldestStartedAtMs, tight, unit, tellByMs } = state;
  let dueMs = tellByMs ?? Infinity;
  if (nowMs < lease.expiresAtMs) {
    if (tight && lease.free.nanoUsd > 0) dueMs = Math.min(dueMs, nowMs);
    if (oldestStartedAtMs !== undefined) {
      const meantForMany = lease.renewedWith.nanoUsd >= EARLY_UNITS * unit.nanoUsd;
      if (!tight && meantForMany && isBelowHalf(lease.free, lease.renewedWith)) dueMs = Math.min(dueMs, nowMs);
      dueMs = Math.min(dueMs, renewalDueAtMs(lease, oldestStartedAtMs));
    }
  }
  return dueMs === Infinity ? undefined : dueMs;
}

/** After half of the lease; a call that has just begun gets time to end first, as long as there is time to renew. */
function renewalDueAtMs({ leasedAtMs, expiresAtMs }: DueState["lease"], startedAtMs: number): number {
  const halfMs = (leasedAtMs + expiresAtMs) / 2;
  return Math.min(expiresAtMs - RENEWAL_MS, Math.max(halfMs, startedAtMs + SHORT_CALL_MS));
}

function isBelowHalf(free: Amount, before: Amount): boolean {
  return free.nanoUsd * 2 < before.nanoUsd || free.requests * 2 < before.requests || free.tokens * 2 < before.tokens;
}
