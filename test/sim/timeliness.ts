// Which reports arrive while their lease is in force, by true time: those must never be written off.

import { covers } from "../../edge/ledger/amount.ts";
import type { Amount, SyncMessage } from "../../edge/ledger/types.ts";

export class Timeliness {
  /** The end of each lease at the object. */
  private readonly leaseEnds = new Map<string, { readonly seq: number; readonly endMs: number }>();
  /** Leases that follow one that had ended: their first report is about that one. */
  private readonly successors = new Set<string>();
  /** Leases that hold less than was kept, because a message was so late that they had ended. */
  private readonly broken = new Set<string>();

  /** Whether the lease that covers the message's report is in force at the object. */
  isTimely({ session: leaseId, seq }: SyncMessage, nowMs: number): boolean {
    if (seq === 2 && this.successors.has(leaseId)) return false;
    return this.inForce(leaseId, nowMs) && !this.broken.has(leaseId);
  }

  private inForce(leaseId: string, nowMs: number): boolean {
    return (this.leaseEnds.get(leaseId)?.endMs ?? 0) > nowMs;
  }

  noteRenewed(
    { session: leaseId, seq, keep, untoldNanoUsd }: SyncMessage,
    nowMs: number,
    endMs: number,
    held: Amount,
  ): void {
    if (untoldNanoUsd !== undefined) this.successors.add(leaseId);
    // Holding less than it kept excuses a later write-off only if its lease had ended: otherwise the ledger broke a
    // promise.
    if (!covers(held, keep) && !this.inForce(leaseId, nowMs)) this.broken.add(leaseId);
    if (seq <= (this.leaseEnds.get(leaseId)?.seq ?? 0)) return; // a copy renews nothing
    this.leaseEnds.set(leaseId, { seq, endMs });
  }
}
