// One account's waiting jobs of one tier. Calls share the account's turns: each job is tagged with the line's virtual
// time plus its own call's seconds so far (self-clocked fair queueing), so a single text does not wait behind a list of
// 2,048 of the same account, and every tag is reached in the end. Pure.

import type { Job } from "./job.ts";

/** How far a batch may look for texts of a fitting length. */
const WINDOW_JOBS = 64;
/** After so many batches passed it over, a job is taken next whatever its length. */
const SKIPS_MAX = 8;

export class AccountLine {
  /** Seconds this account may still take in its turn (deficit round robin). */
  deficit = 0;
  /** Seconds of work that wait here. */
  seconds = 0;
  #virtualTime = 0;
  /** By tag. Cancelled jobs are removed at once. */
  readonly #jobs: Job[] = [];

  get size(): number {
    return this.#jobs.length;
  }

  get virtualTime(): number {
    return this.#virtualTime;
  }

  get oldestAdmittedAt(): number {
    return this.#jobs.reduce((oldest, job) => Math.min(oldest, job.admittedAt), Number.POSITIVE_INFINITY);
  }

  add(job: Job): void {
    this.#jobs.splice(this.#indexAfter(job.tag), 0, job);
    this.seconds += job.seconds;
  }

  remove(job: Job): void {
    const index = this.#jobs.indexOf(job);
    if (index >= 0) this.#removeAt(index);
  }

  /** The first in line must go now: it was passed over too often. */
  get overdue(): boolean {
    return (this.#jobs[0]?.skipped ?? 0) >= SKIPS_MAX;
  }

  /** The job to take into a batch whose longest text has `longest` tokens (0: empty batch): first in line, or nearest in length. */
  candidate(longest: number): Job | undefined {
    const first = this.#jobs[0];
    if (longest === 0 || first === undefined || this.overdue) return first;
    let best: Job = first;
    let bestDistance = Number.POSITIVE_INFINITY;
    for (let index = 0; index < Math.min(WINDOW_JOBS, this.#jobs.length); index += 1) {
      const job = this.#jobs[index];
      if (job === undefined) break;
      const distance = Math.abs(Math.log(job.ids.length / longest));
      if (distance < bestDistance) [best, bestDistance] = [job, distance];
    }
    return best;
  }

  take(job: Job): void {
    this.#virtualTime = Math.max(this.#virtualTime, job.tag);
    this.deficit -= job.seconds;
    this.remove(job);
  }

  /** Called once for each batch that took something here: what stands first was passed over. */
  passOver(): void {
    const first = this.#jobs[0];
    if (first !== undefined) first.skipped += 1;
  }

  #removeAt(index: number): void {
    const [job] = this.#jobs.splice(index, 1);
    this.seconds = this.#jobs.length === 0 ? 0 : this.seconds - (job?.seconds ?? 0);
  }

  #indexAfter(tag: number): number {
    let low = 0;
    let high = this.#jobs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#jobs[middle]?.tag ?? 0) <= tag) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
