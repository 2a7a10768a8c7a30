// One account's waiting jobs of one tier. Calls share the account's turns: each job is tagged with the line's virtual
// time plus its own call's seconds so far (self-clocked fair queueing, Golestani 1994), so a single text does not wait
// behind a list of 2,048 of the same account. Among many short calls a long text would wait its size times their number;
// so each batch takes the oldest job once that has reached an age. Pure.

import type { Job } from "./job.ts";

/** How far a batch may look for texts of a fitting length. */
const WINDOW_JOBS = 64;
/** A job that this many batches passed over is taken next, whatever its length. */
const SKIPS_MAX = 8;

/** Passed over so often that a batch is closed rather than filled further without it. */
export function isOverdue(job: Job): boolean {
  return job.skipped >= SKIPS_MAX;
}

export class AccountLine {
  /** Seconds this account may still take in its turn (deficit round robin). */
  deficit = 0;
  /** Seconds of work that wait here. */
  seconds = 0;
  #virtualTime = 0;
  /** By tag. Cancelled jobs are removed at once. */
  readonly #jobs: Job[] = [];
  /** By arrival; from #firstArrival on, those that have gone are skipped when they come first. */
  #arrivals: Job[] = [];
  #firstArrival = 0;

  get size(): number {
    return this.#jobs.length;
  }

  get virtualTime(): number {
    return this.#virtualTime;
  }

  get oldestAdmittedAt(): number {
    return this.#oldest()?.admittedAt ?? Number.POSITIVE_INFINITY;
  }

  add(job: Job): void {
    this.#jobs.splice(this.#indexAfter(job.tag), 0, job);
    this.#arrivals.push(job);
    this.seconds += job.seconds;
  }

  remove(job: Job): void {
    const index = this.#jobs.indexOf(job);
    if (index >= 0) this.#removeAt(index);
  }

  /** What should go before all others: the first in line if it was passed over too often, the oldest if it came before `agedBefore`. */
  due(agedBefore: number): Job | undefined {
    const first = this.#jobs[0];
    if (first !== undefined && isOverdue(first)) return first;
    const oldest = this.#oldest();
    return oldest !== undefined && oldest.admittedAt <= agedBefore ? oldest : undefined;
  }

  /** The job to take into a batch whose longest text has `longest` tokens (0: empty batch): first in line, or nearest in length. */
  candidate(longest: number): Job | undefined {
    const first = this.#jobs[0];
    if (longest === 0 || first === undefined) return first;
    let best: Job = first;
    let bestDistance = Number.POSITIVE_INFINITY;
    for (const job of this.window()) {
      const distance = Math.abs(Math.log(job.ids.length / longest));
      if (distance < bestDistance) [best, bestDistance] = [job, distance];
    }
    return best;
  }

  /** The jobs that a batch may take from. */
  window(): readonly Job[] {
    return this.#jobs.slice(0, WINDOW_JOBS);
  }

  /** `outOfTurn`: taken for its age. The clock stays then, or all other tags would be in its past. */
  take(job: Job, outOfTurn: boolean): void {
    if (!outOfTurn) this.#virtualTime = Math.max(this.#virtualTime, job.tag);
    this.deficit -= job.seconds;
    this.remove(job);
    job.state = "running";
  }

  /** Called once a batch, after a turn: the first job in line was passed over. */
  passOver(): void {
    const first = this.#jobs[0];
    if (first !== undefined) first.skipped += 1;
  }

  #oldest(): Job | undefined {
    while (this.#arrivals[this.#firstArrival]?.state !== "queued" && this.#firstArrival < this.#arrivals.length) {
      this.#firstArrival += 1;
    }
    if (this.#firstArrival > 1_024) {
      this.#arrivals = this.#arrivals.slice(this.#firstArrival);
      this.#firstArrival = 0;
    }
    return this.#arrivals[this.#firstArrival];
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
