// Tokens per second of engine time over the last minutes of work. Pure; time is passed in.

const WINDOW_MS = 5 * 60_000;
const SLOT_MS = 5_000;

interface Slot {
  readonly since: number;
  tokens: number;
  runMs: number;
}

export class Throughput {
  readonly #slots: Slot[] = [];

  add(tokens: number, runMs: number, nowMs: number): void {
    const last = this.#slots.at(-1);
    if (last === undefined || nowMs - last.since >= SLOT_MS) this.#slots.push({ since: nowMs, tokens, runMs });
    else {
      last.tokens += tokens;
      last.runMs += runMs;
    }
    this.#forget(nowMs);
  }

  /** Null before any work, or when the last of it is longer ago than the window. */
  tokensPerSecond(nowMs: number): number | null {
    this.#forget(nowMs);
    const runMs = this.#slots.reduce((sum, slot) => sum + slot.runMs, 0);
    const tokens = this.#slots.reduce((sum, slot) => sum + slot.tokens, 0);
    return runMs > 0 ? (tokens * 1_000) / runMs : null;
  }

  #forget(nowMs: number): void {
    while (nowMs - (this.#slots[0]?.since ?? nowMs) > WINDOW_MS) this.#slots.shift();
  }
}
