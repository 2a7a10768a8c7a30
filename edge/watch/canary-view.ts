// The canary's public status, for GET /status.json and the status page. Each isolate reads it from the directory at
// most every 15 s, and shows the last reading while the directory does not answer.

import type { Directory } from "../directory/directory.ts";
import type { CanaryDay } from "./canary-record.ts";
import { readCanary } from "./canary-record.ts";

/** After this long without a call the status is `silent`: the canary runs once a minute. */
const SILENT_AFTER_MS = 5 * 60_000;
const KEEP_MS = 15_000;

export interface CanaryStatus {
  /** `silent`: it has not called lately. */
  readonly status: "served" | "failing" | "silent";
  readonly atMs: number;
  readonly latencyMs: number;
  readonly reason: string | null;
  readonly failuresInRow: number;
  /** Oldest first; days without a call are left out. */
  readonly days: readonly CanaryDay[];
}

export class CanaryView {
  readonly #directory: Directory;
  readonly #now: () => number;
  #read: Omit<CanaryStatus, "status"> | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(directory: Directory, now: () => number) {
    this.#directory = directory;
    this.#now = now;
  }

  /** Undefined: it has never called. */
  async status(): Promise<CanaryStatus | undefined> {
    const nowMs = this.#now();
    if (nowMs - this.#readAtMs > KEEP_MS) {
      this.#readAtMs = nowMs;
      const found = await readCanary(this.#directory, nowMs).catch(() => undefined);
      if (found?.last !== undefined) this.#read = { ...found.last, days: found.days };
    }
    if (this.#read === undefined) return undefined;
    const isSilent = nowMs - this.#read.atMs > SILENT_AFTER_MS;
    return { status: isSilent ? "silent" : this.#read.reason === null ? "served" : "failing", ...this.#read };
  }
}
