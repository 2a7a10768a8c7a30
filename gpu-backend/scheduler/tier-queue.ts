// All accounts that wait in one tier, served by deficit round robin in seconds of work (Shreedhar and Varghese 1996):
// over any time in which two accounts wait, their shares differ by at most a batch, whatever they send. Pure.

import { AccountLine, isOverdue } from "./account-line.ts";
import type { BatchBuilder } from "./batch-builder.ts";
import type { Job } from "./job.ts";

export class TierQueue {
  readonly #quantumSeconds: number;
  /** In the order of their turns. */
  readonly #lines = new Map<string, AccountLine>();
  /** Whose turn goes on from the batch before. */
  #turnOf: AccountLine | undefined;
  seconds = 0;

  constructor(quantumSeconds: number) {
    this.#quantumSeconds = quantumSeconds;
  }

  get empty(): boolean {
    return this.#lines.size === 0;
  }

  secondsOf(account: string): number {
    return this.#lines.get(account)?.seconds ?? 0;
  }

  virtualTimeOf(account: string): number {
    return this.#lines.get(account)?.virtualTime ?? 0;
  }

  get oldestAdmittedAt(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const line of this.#lines.values()) oldest = Math.min(oldest, line.oldestAdmittedAt);
    return oldest;
  }

  add(job: Job): void {
    let line = this.#lines.get(job.account);
    if (line === undefined) {
      line = new AccountLine();
      this.#lines.set(job.account, line);
    }
    line.add(job);
    this.seconds += job.seconds;
  }

  remove(job: Job): void {
    const line = this.#lines.get(job.account);
    if (line === undefined) return;
    line.remove(job);
    this.#forget(job.account, line, job.seconds);
  }

  /** Moves jobs into `batch`, account after account, until it is full or nothing here fits. `agedBefore`: see AccountLine.due. */
  fillBatch(batch: BatchBuilder, agedBefore: number): void {
    let stuck = 0;
    while (!batch.full && this.#lines.size > 0 && stuck < this.#lines.size) {
      const turn = this.#lines.entries().next();
      if (turn.done === true) return;
      const [account, line] = turn.value;
      // A turn without anything that fits counts as well: what it was worth is made up for later.
      if (this.#turnOf !== line) line.deficit += this.#quantumSeconds;
      this.#turnOf = line;
      const before = batch.size;
      const end = this.#fillFrom(account, line, batch, agedBefore);
      if (batch.size > before) stuck = 0;
      if (!batch.visited.has(line)) line.passOver();
      batch.visited.add(line);
      // Broken off for want of room, not of deficit: the turn goes on in the next batch.
      if (end === "batch full") return;
      if (line.size === 0) continue;
      this.#turnOf = undefined;
      this.#lines.delete(account);
      this.#lines.set(account, line);
      if (end === "nothing fits") stuck += 1;
    }
  }

  /** Moves what shares rows with its own account's jobs in `batch` there too. It is paid for in later turns. */
  fillShared(batch: BatchBuilder): void {
    for (const account of new Set(batch.jobs.map((job) => job.account))) {
      const line = this.#lines.get(account);
      for (const job of line?.window() ?? [])
        if (line !== undefined && batch.fitsForItsRows(job)) this.#take(account, line, batch, job, false);
    }
  }

  #fillFrom(
    account: string,
    line: AccountLine,
    batch: BatchBuilder,
    agedBefore: number,
  ): "turn over" | "nothing fits" | "batch full" {
    while (line.deficit > 0) {
      const due = batch.tookDue.has(line) ? undefined : line.due(agedBefore);
      if (due !== undefined) {
        batch.tookDue.add(line);
        if (batch.fits(due)) {
          this.#take(account, line, batch, due, true);
          continue;
        }
        if (isOverdue(due)) return "batch full";
        due.skipped += 1;
      }
      const job = line.candidate(batch.longest);
      if (job === undefined) return "turn over";
      if (!batch.fits(job)) return batch.full ? "batch full" : "nothing fits";
      this.#take(account, line, batch, job, false);
    }
    return "turn over";
  }

  #take(account: string, line: AccountLine, batch: BatchBuilder, job: Job, outOfTurn: boolean): void {
    line.take(job, outOfTurn);
    this.#forget(account, line, job.seconds);
    batch.add(job);
  }

  #forget(account: string, line: AccountLine, seconds: number): void {
    if (line.size === 0) this.#lines.delete(account);
    this.seconds = this.#lines.size === 0 ? 0 : this.seconds - seconds;
  }
}
