// Which reports come while the lease they speak of is in force, by true time: those must never be written off.

import { covers } from "../../edge/account/amount.ts";
import type { Amount, SyncMessage } from "../../edge/account/types.ts";

export class Timeliness {
  /** Until when the object holds each session's lease. */
  private readonly leaseEnds = new Map<string, { readonly seq: number; readonly endMs: number }>();
  /** Sessions that took over from a lost one, whose lease their first report speaks of. */
  private readonly predecessors = new Map<string, string>();
  /** Sessions that were told of less than they kept: a message had been so late that their lease was over. */
  private readonly broken = new Set<string>();

  /** The last renewal that each isolate has heard of. */
  private readonly heard = new Map<string, number>();

  noteHeard({ session, seq }: SyncMessage): void {
    this.heard.set(session, seq);
  }

  /** The object crashed: of renewals that no isolate has heard of, none can prove that its lease is in force. */
  noteCrash(): void {
    for (const [session, { seq }] of this.leaseEnds) {
      if (seq > (this.heard.get(session) ?? 0)) this.broken.add(session);
    }
  }

  noteSuccessor(session: string, before: string): void {
    this.predecessors.set(session, before);
  }

  /** Whether the lease that covers the message's report is in force at the object. */
  isTimely({ session, seq }: SyncMessage, nowMs: number): boolean {
    const before = seq === 2 ? this.predecessors.get(session) : undefined;
    if (before !== undefined && !(this.inForce(before, nowMs) && !this.broken.has(before))) return false;
    return this.inForce(session, nowMs) && !this.broken.has(session);
  }

  private inForce(session: string, nowMs: number): boolean {
    return (this.leaseEnds.get(session)?.endMs ?? 0) > nowMs;
  }

  noteRenewed({ session, seq, keep }: SyncMessage, nowMs: number, endMs: number, held: Amount): void {
    // Less than it kept excuses a later write-off only where its lease had ended: otherwise the ledger forgot a promise.
    if (!covers(held, keep) && !this.inForce(session, nowMs)) this.broken.add(session);
    if (seq <= (this.leaseEnds.get(session)?.seq ?? 0)) return; // a copy renews nothing
    this.leaseEnds.set(session, { seq, endMs });
  }
}
