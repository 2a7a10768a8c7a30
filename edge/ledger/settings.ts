// The ledger's settings and limits (docs/contract.md, Defaults). Settings are passed as a value, so that tests and the
// simulation can shorten time.

export interface LedgerSettings {
  /** How long a lease lives after the isolate sent its message: the bound of revocation. */
  readonly leaseTtlMs: number;
  /** The object waits this much longer, for the last report to arrive and for clocks that run at different speeds. */
  readonly leaseMarginMs: number;
  /**
   * The same for a call with an `Idempotency-Key`, which renews its lease while it runs: after its isolate dies, the
   * key is free for a repeat within the sum of the two.
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

/** A lease is always granted what its waiting calls need. For calls to come it is granted at most 1/16 of what is spendable. */
export const LEASE_SHARE = 16;
/**
 * For calls to come, requests and tokens are granted until all leases together hold 1/4 of a minute's limit. What a
 * lease holds unused does not refill.
 */
export const IDLE_RATE_SHARE = 4;
/** Above this many leases the account is crowded: no lease stays idle, so that only running calls hold one. */
export const CROWDED_LEASES = 100;
/** The most leases at once (isolates × keys with a running call). Beyond it a new one is refused until one ends. */
export const LEASES_MAX = 2000;
/** Above this size of the hot row, its usage cells move to a segment early. */
export const HOT_BYTES_MAX = 30_000;
/** The most grants with credit left. Grants without expiry are merged per kind, so only dated ones count. */
export const OPEN_GRANTS_MAX = 100;
export const KEYS_MAX = 100;
