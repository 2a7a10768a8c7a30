// Which reports arrive while their lease is in force, by true time: those must never be written off.

import { covers } from "../../edge/ledger/amount.ts";
import type { Amount, SyncMessage } from "../../edge/ledger/types.ts";

export class Timeliness {
  /** The end of each session's lease at the object. */
  private readonly leaseEnds = new Map<string, { readonly seq: number; readonly endMs: number }>();
  /** Sessions that follow one whose lease had ended: their first report is about that one. */
  private readonly successors = new Set<string>();
  /** Sessions that hold less than they kept, because a message was so late that their lease had ended. */
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
    // Holding less than it kept excuses a later write-off only if its lease had ended: otherwise the ledger broke a
    // promise.
    if (!covers(held, keep) && !this.inForce(session, nowMs)) this.broken.add(session);
    if (seq <= (this.leaseEnds.get(session)?.seq ?? 0)) return; // a copy renews nothing
    this.leaseEnds.set(session, { seq, endMs });
  }
}
