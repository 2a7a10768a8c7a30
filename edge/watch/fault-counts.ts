// Counts our own faults (5xx) by code over all isolates, for alerts. Counts are kept in memory and added to the
// directory together, a second after the first answer. An isolate that ends before loses that second.

import type { Directory } from "../directory/directory.ts";
import { describeError, writeLog } from "../lib/log.ts";

const GATHER_MS = 1000;

export class FaultCounts {
  readonly #directory: Directory;
  readonly #sleep: (ms: number) => Promise<void>;
  readonly #counts = new Map<string, number>();
  #flushing = false;

  constructor(directory: Directory, sleep: (ms: number) => Promise<void>) {
    this.#directory = directory;
    this.#sleep = sleep;
  }

  count(code: string, waitUntil: (work: Promise<unknown>) => void): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    if (this.#flushing) return;
    this.#flushing = true;
    waitUntil(this.#flush());
  }

  async #flush(): Promise<void> {
    await this.#sleep(GATHER_MS);
    this.#flushing = false;
    const counted = [...this.#counts];
    this.#counts.clear();
    try {
      await this.#directory.batch(
        counted.map(([code, count]) =>
          this.#directory
            .prepare(
              "INSERT INTO faults (code, count) VALUES (?1, ?2) ON CONFLICT (code) DO UPDATE SET count = count + ?2",
            )
            .bind(code, count),
        ),
      );
    } catch (error) {
      // Kept until the next fault: while the directory is down, there will be one.
      for (const [code, count] of counted) this.#counts.set(code, (this.#counts.get(code) ?? 0) + count);
      writeLog({ level: "error", event: "faults_uncounted", ...describeError(error) });
    }
  }
}
