// The lease of one call with an `Idempotency-Key`, and of nothing else: it is not sized for calls to come, not renewed
// under another id, and its last message carries charge and stored answer together. Rules: docs/contract.md, Headers.

import { assert } from "../../shared/assert.ts";
import { ZERO } from "../ledger/amount.ts";
import type { Amount, IdempotencyStep, SecretHash, SyncMessage } from "../ledger/types.ts";
import { KeyLease } from "./key-lease.ts";
import type { LeaseSettings, StrictTerms } from "./lease-types.ts";

type Finish = Extract<IdempotencyStep, { kind: "finish" }>;

export class StrictLease extends KeyLease {
  /** The object did not know the lease: its last message was not applied. */
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

  /** The last message tells what the call used; until then its lease is kept alive. */
  protected override nextDueAtMs(): number | undefined {
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

  /** None follows. */
  protected override beginAnother(): void {}
}
