// The storage port in memory, with the faults of a disk: transactions that roll back, and a write that fails on demand
// (the machine stops in the middle of a turn).

import type {
  AnswerRow,
  AuditRow,
  GrantRecord,
  KeyRange,
  KeyRecord,
  KeyedMeta,
  LedgerStorage,
  Seal,
  Segment,
  SegmentLevel,
  StatementPage,
} from "../../edge/ledger/storage.ts";
import type { KeyId } from "../../shared/ids.ts";
import type { StoredAnswer } from "../../edge/ledger/types.ts";

export class Stopped extends Error {
  override name = "Stopped";
}

/** A storage whose machine can be made to stop. */
export interface StoppableStorage extends LedgerStorage {
  /** After this many more writes, the next one throws Stopped; undefined: none does. */
  stopAfterWrites: number | undefined;
}

export class MemoryStorage implements StoppableStorage {
  stopAfterWrites: number | undefined;
  writes = 0;
  private hot: string | undefined;
  private readonly keys = new Map<KeyId, KeyRecord>();
  private readonly grants = new Map<string, GrantRecord>();
  private readonly segments = new Map<number, Segment>();
  private readonly pages = new Map<number, StatementPage>();
  private readonly seals = new Map<number, Seal>();
  private readonly references = new Map<string, true>();
  private readonly audit = new Map<number, AuditRow>();
  private readonly answers = new Map<string, { readonly row: AnswerRow; readonly stored: StoredAnswer }>();
  private readonly receipts = new Map<string, { readonly receipt: string; readonly untilMs: number }>();
  private nextId = 1;
  private undo: (() => void)[] | undefined;

  transaction<Result>(work: () => Result): Result {
    if (this.undo !== undefined) return work();
    this.undo = [];
    try {
      return work();
    } catch (error) {
      for (const revert of this.undo.toReversed()) revert();
      throw error;
    } finally {
      this.undo = undefined;
    }
  }

  readHot(): string | undefined {
    return this.hot;
  }

  writeHot(body: string): void {
    this.beforeWrite();
    const before = this.hot;
    this.undo?.push(() => {
      this.hot = before;
    });
    this.hot = body;
  }

  readKeys(): KeyRecord[] {
    return [...this.keys.values()];
  }

  putKey(record: KeyRecord): void {
    this.set(this.keys, record.id, record);
  }

  deleteKey(id: KeyId): void {
    this.set(this.keys, id, undefined);
  }

  readGrant(id: string): GrantRecord | undefined {
    return this.grants.get(id);
  }

  putGrant(record: GrantRecord): void {
    this.set(this.grants, record.id, record);
  }

  putSegment(segment: Omit<Segment, "id">): void {
    const id = this.nextId++;
    this.set(this.segments, id, { ...segment, id });
  }

  readSegments(startMs: number, endMs: number): Segment[] {
    return [...this.segments.values()].filter((segment) => segment.startMs < endMs && segment.endMs > startMs);
  }

  readSegmentsBefore(level: SegmentLevel, endMs: number, limit: number): Segment[] {
    return [...this.segments.values()]
      .filter((segment) => segment.level === level && segment.endMs <= endMs)
      .slice(0, limit);
  }

  deleteSegment(id: number): void {
    this.set(this.segments, id, undefined);
  }

  putStatementPage(page: StatementPage): void {
    this.set(this.pages, page.first, page);
  }

  readStatementPages(before: number, limit: number): StatementPage[] {
    return [...this.pages.values()]
      .filter(({ first }) => first < before)
      .sort((a, b) => b.first - a.first)
      .slice(0, limit);
  }

  readStatementFrom(from: number, limit: number): StatementPage[] {
    return [...this.pages.values()]
      .filter(({ last }) => last >= from)
      .sort((a, b) => a.first - b.first)
      .slice(0, limit);
  }

  putSeal(seal: Seal): void {
    this.set(this.seals, seal.first, seal);
  }

  readSeals({ before, limit }: { readonly before: number; readonly limit: number }): Seal[] {
    return [...this.seals.values()]
      .filter(({ first }) => first < before)
      .sort((a, b) => b.first - a.first)
      .slice(0, limit);
  }

  hasReference(reference: string): boolean {
    return this.references.has(reference);
  }

  putReference(reference: string): void {
    this.set(this.references, reference, true);
  }

  appendAudit(row: AuditRow): void {
    this.set(this.audit, this.nextId++, row);
  }

  readAudit(before: number, limit: number): (AuditRow & { readonly id: number })[] {
    return [...this.audit]
      .filter(([id]) => id < before)
      .sort(([a], [b]) => b - a)
      .slice(0, limit)
      .map(([id, row]) => ({ ...row, id }));
  }

  putAnswer(segment: number, row: AnswerRow, stored: StoredAnswer): void {
    this.set(this.answers, `${segment}|${row.route}|${row.key}`, { row, stored });
  }

  readAnswer(segment: number, route: string, key: string): AnswerRow | undefined {
    return this.answers.get(`${segment}|${route}|${key}`)?.row;
  }

  readStoredAnswer(segment: number, route: string, key: string): StoredAnswer | undefined {
    return this.answers.get(`${segment}|${route}|${key}`)?.stored;
  }

  putAnswerMeta(segment: number, route: string, key: string, meta: string): void {
    const name = `${segment}|${route}|${key}`;
    const known = this.answers.get(name);
    if (known !== undefined) this.set(this.answers, name, { ...known, stored: { ...known.stored, meta } });
  }

  listAnswers(segment: number, route: string, { from, below }: KeyRange, limit: number): KeyedMeta[] {
    return [...this.answers]
      .filter(([name]) => name.startsWith(`${segment}|${route}|`))
      .map(([, { row, stored }]) => ({ key: row.key, atMs: row.atMs, meta: stored.meta }))
      .filter(({ key }) => key >= from && key < below)
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
      .slice(0, limit);
  }

  dropAnswers(segment: number): void {
    for (const name of this.answers.keys()) if (name.startsWith(`${segment}|`)) this.set(this.answers, name, undefined);
  }

  putReceipt(name: string, receipt: string, untilMs: number): void {
    this.set(this.receipts, name, { receipt, untilMs });
  }

  readReceipt(name: string): string | undefined {
    return this.receipts.get(name)?.receipt;
  }

  deleteReceiptsBefore(nowMs: number, limit: number): number {
    const ended = [...this.receipts].filter(([, { untilMs }]) => untilMs <= nowMs).slice(0, limit);
    for (const [name] of ended) this.set(this.receipts, name, undefined);
    return ended.length;
  }

  wakeAt(): void {
    // The simulation has no alarm: it folds the history when a plan says so.
  }

  private beforeWrite(): void {
    this.writes += 1;
    if (this.stopAfterWrites === undefined) return;
    if (this.stopAfterWrites === 0) {
      this.stopAfterWrites = undefined;
      throw new Stopped("the machine stopped before a write");
    }
    this.stopAfterWrites -= 1;
  }

  private set<Key, Value>(map: Map<Key, Value>, key: Key, value: Value | undefined): void {
    this.beforeWrite();
    const before = map.get(key);
    this.undo?.push(() => {
      if (before === undefined) map.delete(key);
      else map.set(key, before);
    });
    if (value === undefined) map.delete(key);
    else map.set(key, value);
  }
}
