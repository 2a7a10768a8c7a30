// The leases in force: who holds how much of which key until when, with running totals per account and key.

import { assert } from "../../shared/assert.ts";
import type { KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { ZERO, isNonNegative, isZero, minus, plus } from "./amount.ts";
import type { Amount, IdempotencyStep } from "./types.ts";

/** What an isolate has reported of a lease, kept so that no message is applied twice. */
export interface LeaseMemory {
  readonly seq: number;
  readonly epoch: string;
  /** Cumulative, as last reported. */
  readonly spent: Amount;
  /** The most that its running calls may cost, as last reported: revenue lost if it never reports again. */
  readonly atRiskNanoUsd: NanoUsd;
  /** The call with an `Idempotency-Key` that the lease was opened for. */
  readonly strict?: Extract<IdempotencyStep, { kind: "begin" }>;
}

export interface Lease {
  readonly keyId: KeyId;
  readonly held: Amount;
  /** Only a message of the lease itself moves it. */
  readonly expiresAtMs: number;
  /** Absent: a batch's reservation. */
  readonly memory?: LeaseMemory;
}

export class LeaseTable {
  private readonly leases = new Map<string, Lease>();
  private readonly byKey = new Map<KeyId, Amount>();
  /** Running calls with an `Idempotency-Key`: route and key → lease id. */
  private readonly running = new Map<string, string>();
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

  entries(): IterableIterator<[string, Lease]> {
    return this.leases.entries();
  }

  /** Keys with a lease that holds something. */
  keyIds(): IterableIterator<KeyId> {
    return this.byKey.keys();
  }

  /** The lease of the call that runs under this `Idempotency-Key`, and what it began with. */
  runningCall(route: string, key: string): { readonly id: string; readonly bodyHash: string } | undefined {
    const id = this.running.get(nameOf({ route, key }));
    const strict = id === undefined ? undefined : this.leases.get(id)?.memory?.strict;
    return id === undefined || strict === undefined ? undefined : { id, bodyHash: strict.bodyHash };
  }

  /** Creates or replaces lease `id`; a batch's reservation that holds nothing is dropped. */
  put(id: string, lease: Lease): void {
    assert(isNonNegative(lease.held), "a lease holds no negative amount");
    this.remove(id);
    if (lease.memory === undefined && isZero(lease.held)) return;
    this.leases.set(id, lease);
    this.accountTotal = plus(this.accountTotal, lease.held);
    if (!isZero(lease.held)) this.byKey.set(lease.keyId, plus(this.totalOf(lease.keyId), lease.held));
    if (lease.memory?.strict !== undefined) this.running.set(nameOf(lease.memory.strict), id);
  }

  /** Removes lease `id` and returns what it held. */
  remove(id: string): Amount {
    const lease = this.leases.get(id);
    if (lease === undefined) return ZERO;
    this.leases.delete(id);
    this.accountTotal = minus(this.accountTotal, lease.held);
    const rest = minus(this.totalOf(lease.keyId), lease.held);
    if (isZero(rest)) this.byKey.delete(lease.keyId);
    else this.byKey.set(lease.keyId, rest);
    const strict = lease.memory?.strict;
    if (strict !== undefined && this.running.get(nameOf(strict)) === id) this.running.delete(nameOf(strict));
    return lease.held;
  }

  /** The earliest end of any lease; undefined if there is none. */
  earliestExpiryMs(): number | undefined {
    let earliest: number | undefined;
    for (const { expiresAtMs } of this.leases.values()) {
      if (earliest === undefined || expiresAtMs < earliest) earliest = expiresAtMs;
    }
    return earliest;
  }

  /** Removes every lease that has ended and returns them. */
  expire(nowMs: number): Lease[] {
    const ended: Lease[] = [];
    for (const [id, lease] of this.leases) {
      if (lease.expiresAtMs > nowMs) continue;
      ended.push(lease);
      this.remove(id);
    }
    return ended;
  }
}

function nameOf({ route, key }: { readonly route: string; readonly key: string }): string {
  return `${route} ${key}`;
}
