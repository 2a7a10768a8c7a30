// A circuit breaker. After a run of failures a backend gets no calls for a while; then one call at a time may probe it
// (half-open). One account's calls may fail through their own content, so the breaker opens to that account only, until
// calls of other accounts fail too. No I/O, no timers; the clock is passed in.

/** This many failures of one account since the last success open it to that account. */
export const BREAKER_FAILURES = 3;
/** It opens to all accounts when the accounts besides the worst one have this many failures together. */
export const BREAKER_OTHERS = 2;
/** Accounts whose failures are counted. */
const ACCOUNTS_MAX = 64;
/**
 * First pause; doubled each time a probe fails, up to a short one: /ready guards too, and this may be the only backend.
 */
export const BREAKER_PAUSE_MS = 1000;
export const BREAKER_PAUSE_MS_MAX = 5000;
/** A probe that never reports (its request's context died) blocks others for this long. */
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

  /** A call that `admits` let through begins; when half-open, it is the probe. */
  begin(account: string, nowMs: number): void {
    if (this.#openUntilMs !== undefined && this.#isAgainst(account)) this.#probeSinceMs = nowMs;
  }

  /** The call says nothing about the backend (cancelled by its caller, short deadline, an input that it refused). */
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

  /** "open": to all accounts. */
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
