// A circuit breaker: after a run of failures a backend is left alone for a while, then one call at a time may probe it
// (half-open). What one account's calls run into may be of its own making: until calls of others fail too, it alone is
// kept away. No I/O, no timers; the clock is passed in.

/** Failures since the last success that open it to the account that had them. */
export const BREAKER_FAILURES = 3;
/** How many of them must be of other accounts than the one with most, for it to open to all. */
export const BREAKER_OTHERS = 2;
/** Accounts whose failures are counted apart. */
const ACCOUNTS_MAX = 64;
/** First pause; doubled each time a probe fails. The longest is short: /ready guards too, and it may be the only backend. */
export const BREAKER_PAUSE_MS = 1000;
export const BREAKER_PAUSE_MS_MAX = 5000;
/** A probe that never reports (its isolate context died) stops blocking others after this. */
export const PROBE_LIFE_MS = 60_000;

/** `account`: any name that tells accounts apart. */
export class Breaker {
  /** Since the last success. */
  readonly #failures = new Map<string, number>();
  #pauseMs = BREAKER_PAUSE_MS;
  #openUntilMs: number | undefined;
  #probeSinceMs: number | undefined;

  /** Whether a call of `account` may go through now. */
  admits(account: string, nowMs: number): boolean {
    if (this.#openUntilMs === undefined || !this.#isAgainst(account)) return true;
    if (nowMs < this.#openUntilMs) return false;
    return this.#probeSinceMs === undefined || nowMs - this.#probeSinceMs > PROBE_LIFE_MS;
  }

  /** A call that `admits` let through begins: when half-open it is the probe. */
  begin(account: string, nowMs: number): void {
    if (this.#openUntilMs !== undefined && this.#isAgainst(account)) this.#probeSinceMs = nowMs;
  }

  /** The call said nothing about the backend (cancelled by its caller, short deadline, an input that it refused). */
  inconclusive(): void {
    this.#probeSinceMs = undefined;
  }

  success(): void {
    this.#failures.clear();
    this.#pauseMs = BREAKER_PAUSE_MS;
    this.#openUntilMs = undefined;
    this.#probeSinceMs = undefined;
  }

  failure(account: string, nowMs: number): void {
    const wasOpen = this.#isAgainst(account);
    const failures = this.#failures.get(account) ?? 0;
    if (failures > 0 || this.#failures.size < ACCOUNTS_MAX) this.#failures.set(account, failures + 1);
    const probing = wasOpen && this.#openUntilMs !== undefined && nowMs >= this.#openUntilMs;
    this.#probeSinceMs = undefined;
    if (probing) this.#pauseMs = Math.min(this.#pauseMs * 2, BREAKER_PAUSE_MS_MAX);
    if (probing || (!wasOpen && this.#isAgainst(account))) this.#openUntilMs = nowMs + this.#pauseMs;
  }

  /** Open: to all accounts. */
  get state(): "closed" | "open" {
    return this.#openUntilMs !== undefined && this.#isAgainstAll ? "open" : "closed";
  }

  #isAgainst(account: string): boolean {
    return this.#isAgainstAll || (this.#failures.get(account) ?? 0) >= BREAKER_FAILURES;
  }

  get #isAgainstAll(): boolean {
    let sum = 0;
    let most = 0;
    for (const failures of this.#failures.values()) {
      sum += failures;
      most = Math.max(most, failures);
    }
    return sum - most >= BREAKER_OTHERS;
  }
}
