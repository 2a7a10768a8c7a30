// Leases that are out, in memory: who holds how much of which key until when, with running totals per account and key.
// What a crash forgets is covered by the durable marks in the hot row (hot.ts), which come back as phantom leases.

import { assert } from "../../shared/assert.ts";
import type { KeyId } from "../../shared/ids.ts";
import { ZERO, isNonNegative, isZero, minus, plus } from "./amount.ts";
import type { Amount } from "./types.ts";

export interface Lease {
  /** undefined: the allowance of the account as a whole, known after a crash only. */
  readonly keyId: KeyId | undefined;
  readonly held: Amount;
  readonly expiresAtMs: number;
}

export class LeaseTable {
  private readonly leases = new Map<string, Lease>();
  private readonly byKey = new Map<KeyId, Amount>();
  private accountTotal: Amount = ZERO;

  get total(): Amount {
    return this.accountTotal;
  }

  get size(): number {
    return this.leases.size;
  }

  totalOf(keyId: KeyId): Amount {
    return this.byKey.get(keyId) ?? ZERO;
  }

  get(id: string): Lease | undefined {
    return this.leases.get(id);
  }

  ids(): IterableIterator<string> {
    return this.leases.keys();
  }

  /** Keys with something out, and how much. */
  totals(): IterableIterator<[KeyId, Amount]> {
    return this.byKey.entries();
  }

  /** The latest end of any lease; 0 without one. */
  latestExpiryMs(): number {
    let latest = 0;
    for (const lease of this.leases.values()) latest = Math.max(latest, lease.expiresAtMs);
    return latest;
  }

  /** Creates or replaces the lease `id`; one that holds nothing is dropped. */
  put(id: string, lease: Lease): void {
    assert(isNonNegative(lease.held), "a lease holds no negative amount");
    this.remove(id);
    if (isZero(lease.held)) return;
    this.leases.set(id, lease);
    this.accountTotal = plus(this.accountTotal, lease.held);
    if (lease.keyId !== undefined) this.byKey.set(lease.keyId, plus(this.totalOf(lease.keyId), lease.held));
  }

  /** Drops the lease `id` and answers what it held. */
  remove(id: string): Amount {
    const lease = this.leases.get(id);
    if (lease === undefined) return ZERO;
    this.leases.delete(id);
    this.accountTotal = minus(this.accountTotal, lease.held);
    if (lease.keyId !== undefined) {
      const rest = minus(this.totalOf(lease.keyId), lease.held);
      if (isZero(rest)) this.byKey.delete(lease.keyId);
      else this.byKey.set(lease.keyId, rest);
    }
    return lease.held;
  }

  /** The earliest end of any lease; undefined without one. */
  earliestExpiryMs(): number | undefined {
    let earliest: number | undefined;
    for (const { expiresAtMs } of this.leases.values()) {
      if (earliest === undefined || expiresAtMs < earliest) earliest = expiresAtMs;
    }
    return earliest;
  }

  /** Drops every lease that has ended. */
  expire(nowMs: number): void {
    for (const [id, lease] of this.leases) if (lease.expiresAtMs <= nowMs) this.remove(id);
  }
}
