// The account's keys: records (one durable row each), found by the hash of their secret, and what each key has used (in
// the hot row: its own rate buckets, its cap's period, its last use). Pure: callers compute the hashes.

import { must } from "../../shared/assert.ts";
import type { AccountId, KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import { periodStartMs } from "./periods.ts";
import { expiryOf } from "./rights.ts";
import { RateBucket } from "./rate-bucket.ts";
import type { BucketState } from "./rate-bucket.ts";
import type { KeyRecord, LedgerStorage } from "./storage.ts";
import type { KeyRefusal, Rights, SecretHash } from "./types.ts";

/** Longer than a deployment takes to reach every isolate. */
const RENEWED_MS = 3_600_000;

/** Durable: [requests bucket, tokens bucket, cap period's start, spent in it, last used]. */
export type KeyUseState = readonly [BucketState, BucketState, number, number, number];

/** What one key has used. */
export class KeyUse {
  readonly requests: RateBucket;
  readonly tokens: RateBucket;
  private periodMs: number;
  private spent: NanoUsd;
  lastUsedAtMs: number;

  constructor(state: KeyUseState = [[0, 0], [0, 0], 0, 0, 0]) {
    this.requests = new RateBucket(state[0]);
    this.tokens = new RateBucket(state[1]);
    this.periodMs = state[2];
    this.spent = nanoUsd(state[3]);
    this.lastUsedAtMs = state[4];
  }

  get state(): KeyUseState {
    return [this.requests.state, this.tokens.state, this.periodMs, this.spent, this.lastUsedAtMs];
  }

  /** Spent in the cap's current period. */
  spentIn(record: KeyRecord, nowMs: number): NanoUsd {
    const periodMs = periodStartMs(record.capReset, nowMs);
    if (periodMs > this.periodMs) {
      this.periodMs = periodMs;
      this.spent = nanoUsd(0);
    }
    return this.spent;
  }

  spend(record: KeyRecord, value: NanoUsd, nowMs: number): void {
    this.spent = nanoUsd(this.spentIn(record, nowMs) + value);
    this.lastUsedAtMs = nowMs;
  }
}

export type KeyFound =
  | { readonly kind: "valid"; readonly record: KeyRecord }
  | { readonly kind: "refused"; readonly refusal: KeyRefusal };

export class KeyRing {
  private readonly records = new Map<KeyId, KeyRecord>();
  private readonly uses = new Map<KeyId, KeyUse>();
  private readonly byHash = new Map<string, KeyId>();

  constructor(records: readonly KeyRecord[], uses: Readonly<Record<KeyId, KeyUseState>>) {
    for (const record of records) {
      this.index(record);
      const use = uses[record.id];
      if (use !== undefined) this.uses.set(record.id, new KeyUse(use));
    }
  }

  /** Oldest first: the order must not depend on whether the object was evicted since. */
  get all(): KeyRecord[] {
    return [...this.records.values()].sort(byAge);
  }

  get live(): KeyRecord[] {
    return this.all.filter((record) => record.revokedAtMs === undefined);
  }

  get(id: KeyId): KeyRecord | undefined {
    return this.records.get(id);
  }

  use(id: KeyId): KeyUse {
    let use = this.uses.get(id);
    if (use === undefined) {
      use = new KeyUse();
      this.uses.set(id, use);
    }
    return use;
  }

  /** The keys that were used, for the hot row. */
  get useStates(): Record<KeyId, KeyUseState> {
    const states: Record<KeyId, KeyUseState> = {};
    for (const [id, use] of this.uses) if (this.records.has(id)) states[id] = use.state;
    return states;
  }

  /** The key whose secret has one of `hashes`, if it may be used at `nowMs`. */
  find(hashes: readonly SecretHash[], nowMs: number): KeyFound {
    for (const { pepperId, hash } of hashes) {
      const id = this.byHash.get(`${pepperId}:${hash}`);
      if (id === undefined) continue;
      const record = must(this.records.get(id), "record of an indexed key");
      const refusal = refusalOf(record, hash, nowMs);
      return refusal === undefined ? { kind: "valid", record } : { kind: "refused", refusal };
    }
    return { kind: "refused", refusal: { kind: "unknown_key" } };
  }

  /**
   * Stores a key under the current pepper if it is still stored under one that is being rotated out, now that its
   * secret is known (`hashes`, the current pepper's first). The old hash stays valid for an hour, for isolates that
   * know only the old pepper.
   */
  renew(record: KeyRecord, hashes: readonly SecretHash[], nowMs: number, storage: LedgerStorage): void {
    const [current] = hashes;
    const { pepperId, hash, previous } = record;
    if (current === undefined || current.pepperId === pepperId) return;
    if (previous !== undefined && previous.untilMs > nowMs) return;
    if (!hashes.some((known) => known.pepperId === pepperId && known.hash === hash)) return;
    this.put({ ...record, ...current, previous: { pepperId, hash, untilMs: nowMs + RENEWED_MS } }, storage);
  }

  /** The key whose secret has one of `hashes`, even if it is expired, replaced or revoked. */
  locate(hashes: readonly SecretHash[]): KeyRecord | undefined {
    for (const { pepperId, hash } of hashes) {
      const id = this.byHash.get(`${pepperId}:${hash}`);
      if (id !== undefined) return this.records.get(id);
    }
    return undefined;
  }

  put(record: KeyRecord, storage: LedgerStorage): void {
    const before = this.records.get(record.id);
    if (before !== undefined) this.unindex(before);
    this.index(record);
    storage.putKey(record);
  }

  delete(id: KeyId, storage: LedgerStorage): void {
    const record = this.records.get(id);
    if (record === undefined) return;
    this.unindex(record);
    this.records.delete(id);
    this.uses.delete(id);
    storage.deleteKey(id);
  }

  private index(record: KeyRecord): void {
    this.records.set(record.id, record);
    this.byHash.set(`${record.pepperId}:${record.hash}`, record.id);
    if (record.previous !== undefined) {
      this.byHash.set(`${record.previous.pepperId}:${record.previous.hash}`, record.id);
    }
  }

  private unindex(record: KeyRecord): void {
    this.byHash.delete(`${record.pepperId}:${record.hash}`);
    if (record.previous !== undefined) this.byHash.delete(`${record.previous.pepperId}:${record.previous.hash}`);
  }
}

/** The rights of a key, as the object sends them to an isolate. */
export function rightsOf(accountId: AccountId, record: KeyRecord): Rights {
  return {
    accountId,
    keyId: record.id,
    scopes: record.scopes,
    cache: record.cache,
    ...(record.models === undefined ? {} : { models: record.models }),
    ...(record.ipAllow === undefined ? {} : { ipAllow: record.ipAllow }),
    ...(record.expiresAtMs === undefined ? {} : { expiresAtMs: record.expiresAtMs }),
  };
}

function refusalOf(record: KeyRecord, hash: string, nowMs: number): KeyRefusal | undefined {
  if (record.revokedAtMs !== undefined) return { kind: "revoked" };
  const expired = expiryOf(record, nowMs);
  if (expired !== undefined) return expired;
  const replaced = record.previous;
  if (replaced !== undefined && replaced.hash === hash && nowMs >= replaced.untilMs) return { kind: "revoked" };
  return undefined;
}

function byAge(a: KeyRecord, b: KeyRecord): number {
  return a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1);
}
