// A circuit breaker: after a run of failures a backend is left alone for a while, then one call at a time may probe it
// (half-open). No I/O, no timers; the clock is passed in.

/** Consecutive failures that open it. */
export const BREAKER_FAILURES = 3;
/** First pause; doubled each time a probe fails. The longest is short: /ready guards too, and it may be the only backend. */
export const BREAKER_PAUSE_MS = 1000;
export const BREAKER_PAUSE_MS_MAX = 5000;
/** A probe that never reports (its isolate context died) stops blocking others after this. */
export const PROBE_LIFE_MS = 60_000;

export class Breaker {
  #failures = 0;
  #pauseMs = BREAKER_PAUSE_MS;
  #openUntilMs: number | undefined;
  #probeSinceMs: number | undefined;

  /** Whether a call may go through now. */
  admits(nowMs: number): boolean {
    if (this.#openUntilMs === undefined) return true;
    if (nowMs < this.#openUntilMs) return false;
    return this.#probeSinceMs === undefined || nowMs - this.#probeSinceMs > PROBE_LIFE_MS;
  }

  /** A call that `admits` let through begins: when half-open it is the probe. */
  begin(nowMs: number): void {
    if (this.#openUntilMs !== undefined) this.#probeSinceMs = nowMs;
  }

  /** The call said nothing about the backend (cancelled by its caller, short deadline). */
  inconclusive(): void {
    this.#probeSinceMs = undefined;
  }

  success(): void {
    this.#failures = 0;
    this.#pauseMs = BREAKER_PAUSE_MS;
    this.#openUntilMs = undefined;
    this.#probeSinceMs = undefined;
  }

  failure(nowMs: number): void {
    this.#failures += 1;
    const probing = this.#openUntilMs !== undefined && nowMs >= this.#openUntilMs;
    this.#probeSinceMs = undefined;
    if (probing) this.#pauseMs = Math.min(this.#pauseMs * 2, BREAKER_PAUSE_MS_MAX);
    if (probing || this.#failures === BREAKER_FAILURES) this.#openUntilMs = nowMs + this.#pauseMs;
  }

  get state(): "closed" | "open" {
    return this.#openUntilMs === undefined ? "closed" : "open";
  }
}
