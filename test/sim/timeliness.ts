// Which reports come while the lease they speak of is in force, by true time: those must never be written off.

import { covers } from "../../edge/ledger/amount.ts";
import type { Amount, SyncMessage } from "../../edge/ledger/types.ts";

export class Timeliness {
  /** Until when the object holds each session's lease. */
  private readonly leaseEnds = new Map<string, { readonly seq: number; readonly endMs: number }>();
  /** Sessions that took over from one whose lease had ended: their first report speaks of that one. */
  private readonly successors = new Set<string>();
  /** Sessions that were told of less than they kept: a message had been so late that their lease was over. */
  private readonly broken = new Set<string>();

  /** Whether the lease that covers the message's report is in force at the object. */
  isTimely({ session, seq }: SyncMessage, nowMs: number): boolean {
    if (seq === 2 && this.successors.has(session)) return false;
    return this.inForce(session, nowMs) && !this.broken.has(session);
  }

  private inForce(session: string, nowMs: number): boolean {
    return (this.leaseEnds.get(session)?.endMs ?? 0) > nowMs;
  }

  noteRenewed({ session, seq, keep, untoldNanoUsd }: SyncMessage, nowMs: number, endMs: number, held: Amount): void {
    if (untoldNanoUsd !== undefined) this.successors.add(session);
    // Less than it kept excuses a later write-off only where its lease had ended: otherwise the ledger forgot a promise.
    if (!covers(held, keep) && !this.inForce(session, nowMs)) this.broken.add(session);
    if (seq <= (this.leaseEnds.get(session)?.seq ?? 0)) return; // a copy renews nothing
    this.leaseEnds.set(session, { seq, endMs });
  }
}
