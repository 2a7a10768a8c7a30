// The ledger's named figures, each with its reason. Defaults of product.md; everything takes them as a value, so that
// tests and the simulation can shorten time.

export interface LedgerSettings {
  /** How long a lease lives after the isolate sent its message: the bound of revocation. */
  readonly leaseTtlMs: number;
  /** The object waits this much longer, for the message's way and for clocks that run at different speeds. */
  readonly leaseMarginMs: number;
  /** The longest strict lease: the longest deadline (a cold call held 120 s, then 60 s of work) and ten seconds. */
  readonly strictLifeMsMax: number;
  /** How long a session's last number is remembered after its lease ended. */
  readonly sessionMemoryMs: number;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  /** This part of the balance and of each limit may be leased between two durable writes; after a crash it counts as held. */
  readonly allowanceShare: number;
  /**
   * Below this balance every lease is written: an allowance would make a call for nearly the whole balance wait after
   * a crash. Four times the dearest request (300,000 tokens at $0.008 per million).
   */
  readonly allowanceBalanceMinNanoUsd: number;
  /** Usage cells in the hot row (about 100 bytes each) before they move to a segment. */
  readonly hotCellsMax: number;
  /** Pending charge lines in the hot row before closed hours are posted. */
  readonly hotPendingMax: number;
}

export const DEFAULT_SETTINGS: LedgerSettings = {
  leaseTtlMs: 30_000,
  leaseMarginMs: 5_000,
  strictLifeMsMax: 190_000,
  sessionMemoryMs: 600_000,
  requestsPerMinute: 600,
  tokensPerMinute: 1_000_000,
  allowanceShare: 32,
  allowanceBalanceMinNanoUsd: 10_000_000,
  hotCellsMax: 128,
  hotPendingMax: 40,
};

/** One lease may take this part of what is spendable beyond what its callers wait for. */
export const LEASE_SHARE = 16;
/** Sessions remembered at once (isolates × keys). Beyond it a new one is refused until one ends. */
export const SESSIONS_MAX = 1000;
/** Grants with credit left. Those without expiry are merged per kind, so only dated ones count. */
export const OPEN_GRANTS_MAX = 100;
export const KEYS_MAX = 100;
