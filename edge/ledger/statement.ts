// The account's statement: what moved its balance, in the order of posting, each line with the balance after it.
// Charges are one line per hour, key and model. While their hour is open (and a little longer, so that a quiet account
// pays for no extra row) they wait in the hot row, and a listing shows them as the newest lines. Posted lines never
// change. write_off lines are a memo: they do not change the balance.

import type { KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import type { LedgerStorage } from "./storage.ts";

type LineKind = "grant" | "topup" | "charge" | "refund" | "dispute" | "expiry" | "write_off";

/** One line. `amountNanoUsd` is signed: the change of the balance (for write_off: what could not be charged). */
export interface StatementLine {
  readonly position: number;
  readonly atMs: number;
  readonly kind: LineKind;
  readonly amountNanoUsd: NanoUsd;
  readonly balanceAfterNanoUsd: NanoUsd;
  readonly description: string;
  /** The Stripe payment that the money came or went by: `pi_…`. */
  readonly paymentId?: string;
  /** Set for charges and write-offs, as `model` is. */
  readonly keyId?: KeyId;
  readonly model?: string;
}

type PendingKind = "charge" | "write_off";

/** Charges of one hour, key and model that are not posted yet. */
export interface PendingCharge {
  readonly kind: PendingKind;
  readonly hourMs: number;
  readonly keyId: KeyId;
  readonly model: string;
  valueNanoUsd: NanoUsd;
  lastAtMs: number;
}

export const MS_PER_HOUR = 3_600_000;

/** A line's id, as the API writes it. */
export function lineId(position: number): string {
  return `txn_${position}`;
}

/** The beginning of the hour of a line or a charge: Unix ms. */
export function hourOf({ atMs }: { readonly atMs: number }): number {
  return Math.floor(atMs / MS_PER_HOUR) * MS_PER_HOUR;
}

/** Durable form: [kind, hour, key, model, value, last at]. */
type PendingState = readonly [PendingKind, number, KeyId, string, number, number];

export interface StatementState {
  /** Position of the next posted line. */
  readonly next: number;
  /** The balance after the last posted line. */
  readonly posted: NanoUsd;
  readonly pending: readonly PendingState[];
}

export const NO_STATEMENT: StatementState = { next: 1, posted: nanoUsd(0), pending: [] };

export class Statement {
  private next: number;
  private posted: NanoUsd;
  private pending: Map<string, PendingCharge>;

  private readonly pendingMax: number;

  /** `pendingMax`: lines that may wait before those of closed hours are posted. */
  constructor(state: StatementState, pendingMax: number) {
    this.pendingMax = pendingMax;
    this.next = state.next;
    this.posted = state.posted;
    this.pending = new Map(state.pending.map(decodePending).map((charge) => [pendingKey(charge), charge]));
  }

  get state(): StatementState {
    return { next: this.next, posted: this.posted, pending: [...this.pending.values()].map(encodePending) };
  }

  /** Adds a charge (or write-off) at `atMs`; posts closed hours when many wait. */
  charge(
    kind: PendingKind,
    at: { readonly atMs: number; readonly keyId: KeyId; readonly model: string },
    value: NanoUsd,
    storage: LedgerStorage,
  ): void {
    if (value === 0) return;
    const hourMs = hourOf(at);
    const charge = { kind, hourMs, keyId: at.keyId, model: at.model, valueNanoUsd: value, lastAtMs: at.atMs };
    const known = this.pending.get(pendingKey(charge));
    if (known === undefined) this.pending.set(pendingKey(charge), charge);
    else {
      known.valueNanoUsd = nanoUsd(known.valueNanoUsd + value);
      known.lastAtMs = Math.max(known.lastAtMs, at.atMs);
    }
    if (this.pending.size > this.pendingMax) this.postClosedHours(hourMs, storage);
  }

  /** Posts the charges of closed hours, then one line of another kind. */
  post(
    line: Pick<StatementLine, "atMs" | "kind" | "amountNanoUsd" | "description" | "paymentId">,
    storage: LedgerStorage,
  ): void {
    this.postClosedHours(hourOf(line), storage);
    this.posted = nanoUsd(this.posted + line.amountNanoUsd);
    const posted = { ...line, position: this.next, balanceAfterNanoUsd: this.posted };
    storage.putStatementPage({ first: this.next, last: this.next, body: JSON.stringify([posted]) });
    this.next += 1;
  }

  /** Posts the charges of hours that were over at `atMs`. Returns whether there were any. */
  postBefore(atMs: number, storage: LedgerStorage): boolean {
    const { next } = this;
    this.postClosedHours(hourOf({ atMs }), storage);
    return this.next > next;
  }

  /** The pending lines, oldest first, as they would be posted now. */
  pendingLines(): StatementLine[] {
    return this.asLines([...this.pending.values()]);
  }

  private postClosedHours(openHourMs: number, storage: LedgerStorage): void {
    const closed = [...this.pending.values()].filter((charge) => charge.hourMs < openHourMs);
    const lines = this.asLines(closed);
    const last = lines.at(-1);
    if (last === undefined) return;
    storage.putStatementPage({ first: this.next, last: last.position, body: JSON.stringify(lines) });
    this.posted = last.balanceAfterNanoUsd;
    this.next = last.position + 1;
    for (const charge of closed) this.pending.delete(pendingKey(charge));
  }

  private asLines(charges: PendingCharge[]): StatementLine[] {
    let balance = this.posted;
    return charges.sort(byHour).map((charge, index) => {
      if (charge.kind === "charge") balance = nanoUsd(balance - charge.valueNanoUsd);
      return {
        position: this.next + index,
        atMs: charge.lastAtMs,
        kind: charge.kind,
        amountNanoUsd: charge.kind === "charge" ? nanoUsd(-charge.valueNanoUsd) : charge.valueNanoUsd,
        balanceAfterNanoUsd: balance,
        description: charge.kind === "charge" ? `Embeddings with ${charge.model}` : "Work that could not be charged",
        keyId: charge.keyId,
        model: charge.model,
      };
    });
  }
}

function encodePending({ kind, hourMs, keyId, model, valueNanoUsd, lastAtMs }: PendingCharge): PendingState {
  return [kind, hourMs, keyId, model, valueNanoUsd, lastAtMs];
}

function decodePending([kind, hourMs, keyId, model, value, lastAtMs]: PendingState): PendingCharge {
  return { kind, hourMs, keyId, model, valueNanoUsd: nanoUsd(value), lastAtMs };
}

function pendingKey(charge: PendingCharge): string {
  return `${charge.kind}|${charge.hourMs}|${charge.keyId}|${charge.model}`;
}

function byHour(a: PendingCharge, b: PendingCharge): number {
  return a.hourMs - b.hourMs || (pendingKey(a) < pendingKey(b) ? -1 : 1);
}
