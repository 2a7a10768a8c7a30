// The lease of exactly one call with an `Idempotency-Key`. It is not sized for later calls and no other lease follows
// it; its last message carries the charge and the stored answer together. Rules: docs/contract.md, Headers.

import { assert } from "../../shared/assert.ts";
import { ZERO } from "../ledger/amount.ts";
import type { Amount, IdempotencyStep, SecretHash, SyncMessage } from "../ledger/types.ts";
import { KeyLease } from "./key-lease.ts";
import type { LeaseSettings, StrictTerms } from "./lease-types.ts";

type Finish = Extract<IdempotencyStep, { kind: "finish" }>;

export class StrictLease extends KeyLease {
  /** The object did not know the lease, so it did not apply the last message. */
  closedUnknown = false;
  private readonly begin: StrictTerms;
  private finish: Finish | undefined;

  constructor(secret: readonly SecretHash[], settings: LeaseSettings, newLeaseId: () => string, begin: StrictTerms) {
    super(secret, settings, newLeaseId);
    this.begin = begin;
  }

  /** The next message is the last one: charge and stored answer. */
  finishWith(step: Finish): void {
    assert(this.outstanding === undefined, "a strict lease finishes between messages");
    this.finish = step;
  }

  protected override get step(): Pick<SyncMessage, "idempotency"> {
    return { idempotency: this.finish ?? this.begin };
  }

  protected override forecast(): Amount {
    return ZERO;
  }

  protected override isOver(): boolean {
    return this.finish !== undefined;
  }

  /** Only renewals are due while the call runs: its usage goes with the last message. */
  override nextDueAtMs(): number | undefined {
    const expiresAtMs = this.ended === undefined ? this.expiresAtMs : 0;
    return this.works.size === 0 ? undefined : (this.leasedAtMs + expiresAtMs) / 2;
  }

  protected override forgotten(): void {
    this.cancelAll();
    this.closed = true;
    this.closedUnknown = true;
  }

  protected override wasClosed(): void {
    this.closed = true;
  }

  /** No other lease follows a strict one. */
  protected override beginAnother(): void {}
}
