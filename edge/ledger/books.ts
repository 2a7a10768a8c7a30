// The account's credit: what came in, what went out, and which grants still hold the rest.
//   balance = granted + topped up − expired − refunded − charged ≥ 0, and it equals what the open grants hold.
// No I/O and no clock: `nowMs` and what leases hold are passed in. Rules: docs/contract.md, Money.

import { assert } from "../../shared/assert.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { ZERO_NANO_USD, nanoUsd } from "../../shared/money.ts";
import type { GrantKind } from "./storage.ts";

export interface Totals {
  grantedNanoUsd: NanoUsd;
  toppedUpNanoUsd: NanoUsd;
  expiredNanoUsd: NanoUsd;
  refundedNanoUsd: NanoUsd;
  chargedNanoUsd: NanoUsd;
  writtenOffNanoUsd: NanoUsd;
  /** Refunds and disputes that the balance could not cover. */
  receivableNanoUsd: NanoUsd;
  /** A memo: the most that calls may have cost that were never reported because their isolate died. */
  lostBoundNanoUsd: NanoUsd;
}

export const NO_TOTALS: Totals = {
  grantedNanoUsd: ZERO_NANO_USD,
  toppedUpNanoUsd: ZERO_NANO_USD,
  expiredNanoUsd: ZERO_NANO_USD,
  refundedNanoUsd: ZERO_NANO_USD,
  chargedNanoUsd: ZERO_NANO_USD,
  writtenOffNanoUsd: ZERO_NANO_USD,
  receivableNanoUsd: ZERO_NANO_USD,
  lostBoundNanoUsd: ZERO_NANO_USD,
};

/** One grant with credit left. */
export interface OpenGrant {
  readonly kind: GrantKind;
  readonly expiresAtMs?: number;
  readonly atMs: number;
  remaining: NanoUsd;
  /** After expiry: the part that earlier leases still hold. It only falls. */
  grace?: NanoUsd;
}

/** Gifts are spent before paid credit; within a kind, the first to expire, then the oldest. */
const PRIORITY: Readonly<Record<GrantKind, number>> = { promo: 0, free: 1, paid: 2 };

export class Books {
  readonly totals: Totals;
  readonly grants: OpenGrant[];

  constructor(totals: Totals, grants: OpenGrant[]) {
    this.totals = totals;
    this.grants = grants;
  }

  get balance(): NanoUsd {
    const { grantedNanoUsd, toppedUpNanoUsd, expiredNanoUsd, refundedNanoUsd, chargedNanoUsd } = this.totals;
    const balance = grantedNanoUsd + toppedUpNanoUsd - expiredNanoUsd - refundedNanoUsd - chargedNanoUsd;
    assert(balance >= 0, "the balance is never negative");
    return nanoUsd(balance);
  }

  /** The balance without expired credit that remains only because a lease holds it. */
  lasting(nowMs: number): NanoUsd {
    let lasting = 0;
    for (const grant of this.grants) if (!hasExpired(grant, nowMs)) lasting += grant.remaining;
    return nanoUsd(lasting);
  }

  /** Grants with an expiry that still hold credit. */
  get datedGrants(): number {
    return this.grants.filter((grant) => grant.expiresAtMs !== undefined).length;
  }

  /** Paid credit that is not spent. Gifts are spent first, so leases hold paid credit last. */
  get unspentPaid(): NanoUsd {
    let unspent = 0;
    for (const grant of this.grants) if (grant.kind === "paid") unspent += grant.remaining;
    return nanoUsd(unspent);
  }

  add(kind: GrantKind, value: NanoUsd, atMs: number, expiresAtMs?: number): void {
    assert(value > 0, "a grant is positive");
    if (kind === "paid") this.totals.toppedUpNanoUsd = nanoUsd(this.totals.toppedUpNanoUsd + value);
    else this.totals.grantedNanoUsd = nanoUsd(this.totals.grantedNanoUsd + value);
    const same = this.grants.find((grant) => grant.kind === kind && grant.expiresAtMs === expiresAtMs);
    if (same === undefined || expiresAtMs !== undefined) {
      this.grants.push({ kind, atMs, remaining: value, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) });
      this.grants.sort(spendOrder);
    } else same.remaining = nanoUsd(same.remaining + value);
    this.check();
  }

  charge(value: NanoUsd): void {
    assert(value >= 0 && value <= this.balance, "a charge never passes the balance");
    this.totals.chargedNanoUsd = nanoUsd(this.totals.chargedNanoUsd + value);
    this.consume(this.grants, value);
  }

  writeOff(value: NanoUsd): void {
    this.totals.writtenOffNanoUsd = nanoUsd(this.totals.writtenOffNanoUsd + value);
  }

  noteLost(bound: NanoUsd): void {
    this.totals.lostBoundNanoUsd = nanoUsd(this.totals.lostBoundNanoUsd + bound);
  }

  /** Takes back `value` from credit that is not held; the rest becomes receivable. Returns what was taken. */
  refund(value: NanoUsd, held: NanoUsd): NanoUsd {
    this.totals.receivableNanoUsd = nanoUsd(this.totals.receivableNanoUsd + value);
    return this.collect(held);
  }

  /** Collects receivables from credit that is not held. Returns what was taken. */
  collect(held: NanoUsd): NanoUsd {
    const taken = nanoUsd(Math.min(this.totals.receivableNanoUsd, this.balance - held));
    if (taken <= 0) return ZERO_NANO_USD;
    this.totals.receivableNanoUsd = nanoUsd(this.totals.receivableNanoUsd - taken);
    this.totals.refundedNanoUsd = nanoUsd(this.totals.refundedNanoUsd + taken);
    this.consume(this.grants.toReversed(), taken); // paid credit before gifts
    return taken;
  }

  /**
   * Expires grants. The part that leases hold (in spending order) stays until they end, at most `graceMs`. Returns what
   * expired.
   */
  expire(nowMs: number, held: NanoUsd, graceMs: number): NanoUsd {
    let expired = 0;
    let before = 0;
    for (const grant of this.grants) {
      if (hasExpired(grant, nowMs)) {
        const heldHere = Math.max(0, Math.min(held - before, grant.remaining));
        grant.grace = nanoUsd(Math.min(grant.grace ?? heldHere, heldHere));
        const stays = nowMs < (grant.expiresAtMs ?? 0) + graceMs ? grant.grace : 0;
        const goes = Math.min(grant.remaining - stays, this.balance - held);
        if (goes > 0) {
          grant.remaining = nanoUsd(grant.remaining - goes);
          this.totals.expiredNanoUsd = nanoUsd(this.totals.expiredNanoUsd + goes);
          expired += goes;
        }
      }
      before += grant.remaining;
    }
    if (expired > 0) this.dropEmpty();
    return nanoUsd(expired);
  }

  private consume(order: readonly OpenGrant[], value: NanoUsd): void {
    let rest: number = value;
    for (const grant of order) {
      const part = Math.min(rest, grant.remaining);
      grant.remaining = nanoUsd(grant.remaining - part);
      if (grant.grace !== undefined) grant.grace = nanoUsd(Math.min(grant.grace, grant.remaining));
      rest -= part;
      if (rest === 0) break;
    }
    assert(rest === 0, "open grants hold the balance");
    this.dropEmpty();
  }

  private dropEmpty(): void {
    for (let index = this.grants.length - 1; index >= 0; index -= 1) {
      if (this.grants[index]?.remaining === 0) this.grants.splice(index, 1);
    }
    this.check();
  }

  private check(): void {
    let open = 0;
    for (const grant of this.grants) open += grant.remaining;
    assert(open === this.balance, "open grants hold exactly the balance");
  }
}

function hasExpired(grant: OpenGrant, nowMs: number): boolean {
  return grant.expiresAtMs !== undefined && nowMs >= grant.expiresAtMs;
}

function spendOrder(a: OpenGrant, b: OpenGrant): number {
  return (
    PRIORITY[a.kind] - PRIORITY[b.kind] ||
    (a.expiresAtMs ?? Number.MAX_SAFE_INTEGER) - (b.expiresAtMs ?? Number.MAX_SAFE_INTEGER) ||
    a.atMs - b.atMs
  );
}
