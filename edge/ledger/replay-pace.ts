// Limits the bytes of stored answers that one account's object reads for repeats within a second. An answer has up to
// 4 MB and an object shares 128 MB with others: hundreds of repeats at once must not take them all down. Pure, and only
// in memory, because nothing is in flight after a restart.

const WINDOW_MS = 1000;
/** After this many bytes, further repeats wait for the next window: a window reads at most this plus one answer. */
export const REPLAY_BYTES_MAX = 32 * 1024 * 1024;

export class ReplayPace {
  private startMs = 0;
  private bytes = 0;

  /** Whether another answer may be read now. A clock that goes back begins a new window. */
  isOpen(nowMs: number): boolean {
    if (nowMs >= this.startMs + WINDOW_MS || nowMs < this.startMs) {
      this.startMs = nowMs;
      this.bytes = 0;
    }
    return this.bytes < REPLAY_BYTES_MAX;
  }

  note(bytes: number): void {
    this.bytes += bytes;
  }
}
