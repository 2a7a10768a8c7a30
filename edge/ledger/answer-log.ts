// First answers under an `Idempotency-Key`, kept for repeats: a log in segments, each its own table. A segment is
// dropped whole, because deleting its rows one by one is billed like writing them. The hot row lists the segments and
// is written with each answer. Pure over the storage port; the clock is passed in.

import { must } from "../../shared/assert.ts";
import type { AnswerRow, KeyRange, KeyedMeta, LedgerStorage } from "./storage.ts";
import type { StoredAnswer } from "./types.ts";

/** How long a repeat gets the first answer. */
export const REMEMBERED_MS = 86_400_000;
/** A segment older or larger than this takes no more answers; a new one begins. */
const SEGMENT_MS = 6 * 3_600_000;
const SEGMENT_BYTES = 32 * 1024 * 1024;
/** The most one account may keep: beyond it the oldest segment is dropped early. An object has 10 GB for everything. */
const ANSWER_BYTES_MAX = 512 * 1024 * 1024;
/** A row's bytes besides its vectors and meta: names, hashes, times. */
const ROW_BYTES = 400;

/** Durable form: [id, first answer at, last answer at, bytes]. */
export type AnswerSegment = readonly [id: number, firstAtMs: number, lastAtMs: number, bytes: number];

/** `read` reads the vectors too; `putMeta` replaces the meta. */
export interface FoundAnswer extends AnswerRow {
  readonly read: () => StoredAnswer;
  readonly putMeta: (meta: string) => void;
}

export class AnswerLog {
  /** Oldest first. */
  private segments: AnswerSegment[];
  private readonly storage: LedgerStorage;

  constructor(segments: readonly AnswerSegment[], storage: LedgerStorage) {
    this.segments = [...segments];
    this.storage = storage;
  }

  get state(): readonly AnswerSegment[] {
    return this.segments;
  }

  /** The answer under this key, if it is not older than REMEMBERED_MS. */
  find(route: string, key: string, nowMs: number): FoundAnswer | undefined {
    for (const [id] of this.segments.toReversed()) {
      const row = this.storage.readAnswer(id, route, key);
      if (row === undefined) continue;
      if (row.atMs + REMEMBERED_MS <= nowMs) return undefined;
      return {
        ...row,
        read: () => must(this.storage.readStoredAnswer(id, route, key), "a stored answer"),
        putMeta: (meta) => this.storage.putAnswerMeta(id, route, key, meta),
      };
    }
    return undefined;
  }

  /** The answers under keys from `keys.from` on and below `keys.below`, in their order, at most `limit`. */
  list(route: string, keys: KeyRange, limit: number, nowMs: number): readonly KeyedMeta[] {
    return this.segments
      .flatMap(([id]) => this.storage.listAnswers(id, route, keys, limit))
      .filter(({ atMs }) => atMs + REMEMBERED_MS > nowMs)
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
      .slice(0, limit);
  }

  put(row: AnswerRow, stored: StoredAnswer): void {
    this.expire(row.atMs);
    const last = this.segments.at(-1);
    const fits = last !== undefined && row.atMs < last[1] + SEGMENT_MS && last[3] < SEGMENT_BYTES;
    const [id, firstAtMs, lastAtMs, bytes] = fits ? last : [(last?.[0] ?? 0) + 1, row.atMs, row.atMs, 0];
    if (fits) this.segments.pop();
    const grown = bytes + stored.vectors.byteLength + stored.meta.length + ROW_BYTES;
    this.segments.push([id, firstAtMs, Math.max(lastAtMs, row.atMs), grown]);
    this.storage.putAnswer(id, row, stored);
    this.storage.wakeAt(row.atMs + REMEMBERED_MS + SEGMENT_MS);
  }

  /** Drops segments without a remembered answer, and the oldest over the limit. Returns whether any was dropped. */
  expire(nowMs: number): boolean {
    let bytes = this.segments.reduce((sum, segment) => sum + segment[3], 0);
    const kept = this.segments.filter(([id, , lastAtMs, own]) => {
      const goes = lastAtMs + REMEMBERED_MS <= nowMs || bytes > ANSWER_BYTES_MAX;
      if (goes) bytes -= own;
      if (goes) this.storage.dropAnswers(id);
      return !goes;
    });
    const dropped = kept.length < this.segments.length;
    this.segments = kept;
    return dropped;
  }
}
