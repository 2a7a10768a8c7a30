// The storage port of the ledger: synchronous and transactional. sqlite-storage.ts implements it over a Durable
// Object's SqlStorage; the simulation implements it in memory and crashes it at every step.

import type { KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { CacheSetting, CapPeriod, Scope, StoredAnswer } from "./types.ts";

/** A stored key. Its secret is only there as a keyed hash under the pepper `pepperId`. */
export interface KeyRecord {
  readonly id: KeyId;
  readonly name: string;
  /** The part of the key that may be shown: `gr-Ab3dE6…x9Zk`. */
  readonly prefix: string;
  readonly pepperId: string;
  /** Hex. */
  readonly hash: string;
  /** The secret that a rotation replaced; it works until `untilMs`. */
  readonly previous?: { readonly pepperId: string; readonly hash: string; readonly untilMs: number };
  readonly scopes: readonly Scope[];
  readonly models?: readonly string[];
  readonly expiresAtMs?: number;
  readonly capNanoUsd?: NanoUsd;
  readonly capReset?: CapPeriod;
  readonly ipAllow?: readonly string[];
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  readonly cache: CacheSetting;
  readonly createdAtMs: number;
  readonly revokedAtMs?: number;
}

export type GrantKind = "free" | "paid" | "promo";

export interface GrantRecord {
  readonly id: string;
  readonly kind: GrantKind;
  readonly amountNanoUsd: NanoUsd;
  readonly atMs: number;
  readonly expiresAtMs?: number;
}

/** Levels of the usage history: the time that one cell of a segment spans. */
export const SEGMENT_LEVELS = ["minute", "hour", "day", "month"] as const;
export type SegmentLevel = (typeof SEGMENT_LEVELS)[number];

/** Many usage cells in one row, from `startMs` to `endMs` (exclusive). */
export interface Segment {
  readonly id: number;
  readonly level: SegmentLevel;
  readonly startMs: number;
  readonly endMs: number;
  /** usage-cells.ts encodes it. */
  readonly body: string;
}

/** Consecutive lines of the statement in one row: positions `first`..`last`. */
export interface StatementPage {
  readonly first: number;
  readonly last: number;
  /** statement.ts encodes it. */
  readonly body: string;
}

/** The seal of an hour of the statement: positions `first`..`last`. */
export interface Seal {
  /** From 0, in order. */
  readonly index: number;
  readonly first: number;
  readonly last: number;
  /** The text that is hashed and signed: seals.ts. */
  readonly entry: string;
}

export interface AuditRow {
  readonly atMs: number;
  readonly actor: string;
  readonly action: string;
  readonly facts: string;
}

/** A first answer under an `Idempotency-Key`. */
export interface AnswerRow {
  readonly route: string;
  readonly key: string;
  readonly bodyHash: string;
  /** The lease under which it was computed. */
  readonly leaseId: string;
  readonly atMs: number;
}

/** Keys from `from` on and below `below`. */
export interface KeyRange {
  readonly from: string;
  readonly below: string;
}

export interface KeyedMeta {
  readonly key: string;
  readonly atMs: number;
  readonly meta: string;
}

export interface LedgerStorage {
  /** All or nothing; nested calls join the outer one. */
  transaction<Result>(work: () => Result): Result;

  readHot(): string | undefined;
  writeHot(body: string): void;

  readKeys(): KeyRecord[];
  putKey(record: KeyRecord): void;
  deleteKey(id: KeyId): void;

  readGrant(id: string): GrantRecord | undefined;
  putGrant(record: GrantRecord): void;

  putSegment(segment: Omit<Segment, "id">): void;
  /** Segments with a cell in [startMs, endMs). */
  readSegments(startMs: number, endMs: number): Segment[];
  /** The oldest `limit` segments of `level` that end at or before `endMs`. */
  readSegmentsBefore(level: SegmentLevel, endMs: number, limit: number): Segment[];
  deleteSegment(id: number): void;

  putStatementPage(page: StatementPage): void;
  /** Pages with lines before position `before`, newest first. */
  readStatementPages(before: number, limit: number): StatementPage[];
  /** Pages with lines from position `from` on, oldest first. */
  readStatementFrom(from: number, limit: number): StatementPage[];

  putSeal(seal: Seal): void;
  /** Seals whose first line stands before position `before`, newest first. */
  readSeals(page: { readonly before: number; readonly limit: number }): Seal[];

  /** Whether a line with this unique reference was posted. */
  hasReference(reference: string): boolean;
  putReference(reference: string): void;

  appendAudit(row: AuditRow): void;
  /** Newest first, before row `before`. */
  readAudit(before: number, limit: number): (AuditRow & { readonly id: number })[];

  /** Adds an answer to segment `segment`; the first one creates the segment. */
  putAnswer(segment: number, row: AnswerRow, stored: StoredAnswer): void;
  readAnswer(segment: number, route: string, key: string): AnswerRow | undefined;
  readStoredAnswer(segment: number, route: string, key: string): StoredAnswer | undefined;
  putAnswerMeta(segment: number, route: string, key: string, meta: string): void;
  /** At most `limit`, ordered by key. */
  listAnswers(segment: number, route: string, keys: KeyRange, limit: number): KeyedMeta[];
  dropAnswers(segment: number): void;

  /** The receipt of the charge `name`, kept until `untilMs`. */
  putReceipt(name: string, receipt: string, untilMs: number): void;
  readReceipt(name: string): string | undefined;
  /** Deletes up to `limit` receipts that ended; returns how many. */
  deleteReceiptsBefore(nowMs: number, limit: number): number;

  /** Sets the alarm to `atMs` unless it is set to an earlier time. */
  wakeAt(atMs: number): void;
}
