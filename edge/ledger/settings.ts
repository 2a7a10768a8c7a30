// The ledger's named figures, each with its reason (docs/contract.md, Defaults). Everything takes them as a value, so
// that tests and the simulation can shorten time.

export interface LedgerSettings {
  /** How long a lease lives after the isolate sent its message: the bound of revocation. */
  readonly leaseTtlMs: number;
  /** The object waits this much longer, for the last report's way and for clocks that run at different speeds. */
  readonly leaseMarginMs: number;
  /**
   * The same of a call with an `Idempotency-Key`, which renews its lease while it runs: when its isolate dies, a repeat
   * hears of it after at most the two together.
   */
  readonly strictTtlMs: number;
  readonly strictMarginMs: number;
  /** Credit that expires while a lease holds it stays for the lease, at most this long. */
  readonly expiredCreditGraceMs: number;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  /** Usage cells in the hot row (about 100 bytes each) before they move to a segment. */
  readonly hotCellsMax: number;
  /** Pending charge lines in the hot row before closed hours are posted. */
  readonly hotPendingMax: number;
}

export const DEFAULT_SETTINGS: LedgerSettings = {
  leaseTtlMs: 30_000,
  leaseMarginMs: 5_000,
  strictTtlMs: 6_000,
  strictMarginMs: 3_000,
  expiredCreditGraceMs: 195_000,
  requestsPerMinute: 600,
  tokensPerMinute: 1_000_000,
  hotCellsMax: 128,
  hotPendingMax: 40,
};

/** One lease may take this part of what is spendable beyond what its callers wait for. */
export const LEASE_SHARE = 16;
/** All leases together may hold this part of a minute's limit beyond it: what they hold unused does not refill. */
export const IDLE_RATE_SHARE = 4;
/** Leases from which on the account is crowded: none is left idle, so that only calls that run hold one. */
export const CROWDED_LEASES = 100;
/** Leases at once (isolates × keys with a call under way). Beyond it a new one is refused until one ends. */
export const LEASES_MAX = 2000;
/** The hot row's size from which its usage cells move to a segment early. */
export const HOT_BYTES_MAX = 30_000;
/** Grants with credit left. Those without expiry are merged per kind, so only dated ones count. */
export const OPEN_GRANTS_MAX = 100;
export const KEYS_MAX = 100;
