// Credit and charges of batches in the ledger. A slice of a batch reserves its bound and is charged once, whatever
// crashes and however often a message is repeated. It needs no key's secret, because a batch outlives the request that
// created it: the batch names the key's id, and the key's state, caps and limits hold as they do for calls. Batches do
// not count against the per-minute limits, which protect calls that wait.
//
// Exactly once: the charge of a slice writes a receipt in its own transaction.
// Fencing: a reservation belongs to one attempt. A newer attempt releases the older one's reservation, so that a late
// message of an abandoned attempt finds none and charges nothing.

import { assert } from "../../shared/assert.ts";
import type { KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import { amount } from "./amount.ts";
import { refusalByFunds } from "./funds.ts";
import type { Ledger } from "./ledger.ts";
import { expiryOf, refusalByModels, refusalByScopes } from "./rights.ts";
import type { Refusal, Scope, UsageLine } from "./types.ts";
import { recordUsage } from "./usage-history.ts";

/** A slice's time (60 s) plus that of its messages; below `expiredCreditGraceMs`. */
const RESERVED_MS = 75_000;
/** Longer than a batch lives (a day), so that every attempt at a slice finds its receipt. */
const RECEIPT_MS = 7 * 86_400_000;

/** One attempt at one slice of a batch. */
export interface BatchAttempt {
  readonly batchId: string;
  readonly slice: number;
  /** Grows with every attempt of the batch; never reused. */
  readonly attempt: number;
  readonly keyId: KeyId;
}

/** An attempt that asks for credit, and the rights that its key needs. */
export interface BatchReservation extends BatchAttempt {
  readonly uses: { readonly scopes: readonly Scope[]; readonly models: readonly string[] };
}

export type ReserveOutcome =
  | { readonly kind: "reserved" }
  /** An earlier attempt was charged and left `receipt`. */
  | { readonly kind: "charged"; readonly receipt: string }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export interface BatchCharge extends BatchAttempt {
  readonly costNanoUsd: NanoUsd;
  /** Their costs add up to `costNanoUsd`. */
  readonly lines: readonly UsageLine[];
  /** Names the stored results; kept with the charge and returned to later attempts. No input text. */
  readonly receipt: string;
}

export type ChargeOutcome =
  | { readonly kind: "charged"; readonly receipt: string }
  /** The reservation had ended, or a newer attempt released it: nothing was charged. */
  | { readonly kind: "lapsed" };

/** Releases what older attempts of the batch held, then reserves `needNanoUsd` for this one. */
export function reserveBatch(
  ledger: Ledger,
  attempt: BatchReservation,
  needNanoUsd: NanoUsd,
  nowMs: number,
): ReserveOutcome {
  ledger.tick(nowMs);
  releaseBatch(ledger, attempt.batchId);
  const receipt = receiptOf(ledger, attempt);
  if (receipt !== undefined) return { kind: "charged", receipt };
  const refusal = refusalOf(ledger, attempt, needNanoUsd, nowMs);
  if (refusal !== undefined) return { kind: "refused", refusal };
  const held = amount(needNanoUsd, 0, 0);
  ledger.leases.put(leaseOf(attempt), { keyId: attempt.keyId, held, expiresAtMs: nowMs + RESERVED_MS });
  ledger.touch();
  return { kind: "reserved" };
}

/**
 * Charges the attempt from its reservation. A repeat for the same slice returns the first receipt and charges nothing.
 */
export function chargeBatch(ledger: Ledger, charge: BatchCharge, nowMs: number): ChargeOutcome {
  ledger.tick(nowMs);
  const earlier = receiptOf(ledger, charge);
  if (earlier !== undefined) return { kind: "charged", receipt: earlier };
  const { costNanoUsd: cost, keyId } = charge;
  const lease = ledger.leases.get(leaseOf(charge));
  if (lease === undefined && cost > 0) return { kind: "lapsed" };
  assert(cost <= (lease?.held.nanoUsd ?? 0), "a slice costs at most what was reserved for it");
  ledger.leases.remove(leaseOf(charge));
  ledger.charge(ledger.keys.get(keyId), cost, nowMs);
  recordUsage(ledger, keyId, charge.lines, { reported: cost, writtenOff: nanoUsd(0) }, nowMs);
  ledger.storage.putReceipt(sliceOf(charge), charge.receipt, nowMs + RECEIPT_MS);
  ledger.storage.wakeAt(nowMs + RECEIPT_MS);
  ledger.touch();
  return { kind: "charged", receipt: charge.receipt };
}

/** Releases everything that the batch holds. */
export function releaseBatch(ledger: Ledger, batchId: string): void {
  const own = [...ledger.leases.ids()].filter((id) => id.startsWith(`batch:${batchId}:`));
  for (const id of own) ledger.leases.remove(id);
  if (own.length > 0) ledger.touch();
}

function refusalOf(
  ledger: Ledger,
  attempt: BatchReservation,
  needNanoUsd: NanoUsd,
  nowMs: number,
): Refusal | undefined {
  if (ledger.status === "suspended") return { kind: "suspended" };
  const record = ledger.keys.get(attempt.keyId);
  if (record === undefined) return { kind: "unknown_key" };
  if (record.revokedAtMs !== undefined) return { kind: "revoked" };
  const { scopes, models } = attempt.uses;
  const funds = ledger.funds(nowMs, record);
  const refusal =
    expiryOf(record, nowMs) ??
    refusalByScopes(scopes, record.scopes) ??
    refusalByModels(models, record.models) ??
    refusalByFunds(needNanoUsd, funds);
  if (refusal !== undefined || needNanoUsd <= funds.grantableNanoUsd) return refusal;
  return {
    kind: "credit_held",
    neededNanoUsd: needNanoUsd,
    spendableNanoUsd: funds.grantableNanoUsd,
    heldMs: RESERVED_MS,
  };
}

function receiptOf(ledger: Ledger, attempt: BatchAttempt): string | undefined {
  return ledger.storage.readReceipt(sliceOf(attempt));
}

function sliceOf({ batchId, slice }: BatchAttempt): string {
  return `${batchId}:${slice}`;
}

function leaseOf({ batchId, slice, attempt }: BatchAttempt): string {
  return `batch:${batchId}:${slice}:${attempt}`;
}
