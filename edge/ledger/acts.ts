// Changes that the operator and the account's owner make to the books and settings: grants, refunds, limits, status.
// Each is one turn, written at once, with a row in the audit log. `actor` says who acts ("operator", a key's id).
// Expected refusals are return values.

import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import type { AccountLimits } from "./hot.ts";
import type { Ledger } from "./ledger.ts";
import { OPEN_GRANTS_MAX } from "./settings.ts";
import type { GrantKind } from "./storage.ts";
import type { AccountStatus } from "./types.ts";

export interface GrantInput {
  /** Repeating an id grants nothing. */
  readonly id: string;
  readonly kind: GrantKind;
  readonly amountNanoUsd: NanoUsd;
  readonly expiresAtMs?: number;
  /** The Stripe payment that paid for it: `pi_…`. */
  readonly paymentId?: string;
}

/** `too_much`: the sum of everything this account was ever given would no longer be exact. */
export type GrantOutcome = "granted" | "repeated" | "too_many_open_grants" | "too_much";

/**
 * The most an account may be given, or have taken back, in its life: about $9,007,199, so that every sum stays exact.
 */
export const LIFETIME_NANO_USD_MAX = Number.MAX_SAFE_INTEGER;

/** `description`: replaces the usual text of the statement line. */
export function grant(
  ledger: Ledger,
  input: GrantInput,
  actor: string,
  nowMs: number,
  description?: string,
): GrantOutcome {
  ledger.tick(nowMs);
  if (ledger.storage.readGrant(input.id) !== undefined) return "repeated";
  if (input.expiresAtMs !== undefined && ledger.books.datedGrants >= OPEN_GRANTS_MAX) return "too_many_open_grants";
  const { grantedNanoUsd, toppedUpNanoUsd } = ledger.books.totals;
  if (input.amountNanoUsd > LIFETIME_NANO_USD_MAX - grantedNanoUsd - toppedUpNanoUsd) return "too_much";
  ledger.books.add(input.kind, input.amountNanoUsd, nowMs, input.expiresAtMs);
  ledger.storage.putGrant({ ...input, atMs: nowMs });
  const [kind, words] =
    input.kind === "paid" ? (["topup", "Top-up"] as const) : (["grant", `Credit (${input.kind})`] as const);
  ledger.post(nowMs, kind, input.amountNanoUsd, description ?? words, input.paymentId);
  ledger.tick(nowMs); // collects receivables; a grant with a past expiry expires
  audit(ledger, nowMs, actor, "grant", input);
  return "granted";
}

export interface RefundInput {
  /** Repeating an id takes nothing back. */
  readonly id: string;
  readonly kind: "refund" | "dispute";
  readonly amountNanoUsd: NanoUsd;
  /** `pi_…` */
  readonly paymentId?: string;
}

/**
 * Takes back credit that no lease holds. The rest becomes receivable, is collected as credit comes free, and suspends
 * the account.
 */
export function takeBack(
  ledger: Ledger,
  input: RefundInput,
  actor: string,
  nowMs: number,
): "taken" | "repeated" | "too_much" {
  ledger.tick(nowMs);
  const reference = `${input.kind}:${input.id}`;
  if (ledger.storage.hasReference(reference)) return "repeated";
  const { refundedNanoUsd, receivableNanoUsd } = ledger.books.totals;
  if (input.amountNanoUsd > LIFETIME_NANO_USD_MAX - refundedNanoUsd - receivableNanoUsd) return "too_much";
  ledger.storage.putReference(reference);
  const taken = ledger.books.refund(input.amountNanoUsd, ledger.leases.total.nanoUsd);
  ledger.post(nowMs, input.kind, -taken, input.kind === "refund" ? "Refund" : "Disputed payment", input.paymentId);
  if (taken < input.amountNanoUsd) ledger.status = "suspended";
  audit(ledger, nowMs, actor, input.kind, { ...input, taken });
  return "taken";
}

/** Paid credit that is not spent, and the part of it that no lease holds. */
export interface Unspent {
  readonly unspentNanoUsd: NanoUsd;
  readonly freeNanoUsd: NanoUsd;
}

/** `takeBack` from paid credit that is neither spent nor held: all of the amount, or nothing and what is there. */
export function takeBackUnspent(
  ledger: Ledger,
  input: RefundInput,
  actor: string,
  nowMs: number,
): ReturnType<typeof takeBack> | Unspent {
  ledger.tick(nowMs);
  const unspent = ledger.books.unspentPaid;
  const free = Math.min(unspent, ledger.books.balance - ledger.leases.total.nanoUsd);
  const isThere = input.amountNanoUsd <= free || ledger.storage.hasReference(`${input.kind}:${input.id}`);
  return isThere ? takeBack(ledger, input, actor, nowMs) : { unspentNanoUsd: unspent, freeNanoUsd: nanoUsd(free) };
}

/**
 * Gives back what `takeBack` took under the same id: a refund failed, or a dispute was won. If nothing was taken yet,
 * it never will be: the event of the end may arrive before the event of the beginning.
 */
export function giveBack(
  ledger: Ledger,
  input: RefundInput,
  actor: string,
  nowMs: number,
): "given" | "repeated" | "too_much" {
  const [taken, undone] = [`${input.kind}:${input.id}`, `${input.id}:undone`];
  if (ledger.storage.hasReference(undone) || ledger.storage.readGrant(undone) !== undefined) return "repeated";
  if (ledger.storage.hasReference(taken)) {
    const { kind, id: _id, ...facts } = input;
    const words = kind === "refund" ? "Refund that did not go through" : "Dispute won";
    const outcome = grant(ledger, { ...facts, id: undone, kind: "paid" }, actor, nowMs, words);
    return outcome === "too_much" ? "too_much" : "given";
  }
  for (const reference of [taken, undone]) ledger.storage.putReference(reference);
  audit(ledger, nowMs, actor, `${input.kind}.undone`, input);
  return "given";
}

export function setStatus(ledger: Ledger, status: AccountStatus, actor: string, nowMs: number): void {
  ledger.tick(nowMs);
  ledger.status = status;
  audit(ledger, nowMs, actor, "status", { status });
}

/** The limits to change; `null` removes the monthly limit. */
export interface LimitsPatch {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  readonly monthlyNanoUsd?: NanoUsd | null;
}

export function setLimits(ledger: Ledger, patch: LimitsPatch, actor: string, nowMs: number): AccountLimits {
  ledger.tick(nowMs); // drains the buckets at the old rate
  const { monthlyNanoUsd = ledger.limits.monthlyNanoUsd ?? null, ...rates } = patch;
  ledger.limits = {
    requestsPerMinute: rates.requestsPerMinute ?? ledger.limits.requestsPerMinute,
    tokensPerMinute: rates.tokensPerMinute ?? ledger.limits.tokensPerMinute,
    ...(monthlyNanoUsd === null ? {} : { monthlyNanoUsd }),
  };
  audit(ledger, nowMs, actor, "limits", patch);
  return ledger.limits;
}

/** Writes one row of the audit log. Every act ends here. */
export function audit(ledger: Ledger, atMs: number, actor: string, action: string, facts: object): void {
  ledger.storage.appendAudit({ atMs, actor, action, facts: JSON.stringify(facts) });
  ledger.touch();
}
