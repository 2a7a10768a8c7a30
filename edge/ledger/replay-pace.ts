// How many bytes of stored answers one account's object may read for repeats within a second. An answer has up to 4 MB
// and an object shares 128 MB with others: hundreds of repeats at once must not take them all down. Pure; in memory
// alone, because after a restart nothing is on its way any more.

const WINDOW_MS = 1000;
/** Once so much was read, further repeats wait for the next window: at most this and one answer more. */
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
