// The storage port over a Durable Object's SQLite. The first write creates the tables, so that reading an object that
// was never set up costs nothing. Everything it reads was written here, so it is trusted.

import { must } from "../../shared/assert.ts";
import type { Id, IdKind, KeyId } from "../../shared/ids.ts";
import { LazyTables } from "../lib/lazy-tables.ts";
import { SEGMENT_LEVELS } from "../ledger/storage.ts";
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
} from "../ledger/storage.ts";
import type { StoredAnswer } from "../ledger/types.ts";

// The tables of an account's object. docs/storage.md lists every column and its life. Money and times are declared
// INTEGER, because numbers bind as REAL. Tables with a text key are WITHOUT ROWID, because a rowid table would write a
// second row for the key's index. There is no other index, because index rows are billed too.

/** The table of one segment of stored answers (answer-log.ts). */
const answersTable = (segment: number): string => `answers_${segment}`;
const answersSchema = (segment: number): string =>
  `CREATE TABLE IF NOT EXISTS ${answersTable(segment)} (route TEXT NOT NULL, key TEXT NOT NULL, part INTEGER NOT NULL, body_hash TEXT, session TEXT, at_ms INTEGER, meta TEXT, bytes BLOB NOT NULL, PRIMARY KEY (route, key, part)) WITHOUT ROWID`;

const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS hot (id INTEGER PRIMARY KEY, body TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS grants (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS segments (id INTEGER PRIMARY KEY, level INTEGER NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, body TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS statement (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, body TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS refs (ref TEXT PRIMARY KEY) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS audit (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, facts TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS receipts (name TEXT PRIMARY KEY, until_ms INTEGER NOT NULL, receipt TEXT NOT NULL) WITHOUT ROWID`,
] as const;

/** Made by the first seal: most accounts are never asked for a proof. */
const SEALS = `CREATE TABLE IF NOT EXISTS seals (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, number INTEGER NOT NULL, entry TEXT NOT NULL)`;

/** A SQLite value may have 2 MB, so stored vectors are cut into parts of this size. */
const PART_BYTES = 1_000_000;

export class SqliteStorage extends LazyTables implements LedgerStorage {
  private readonly storage: DurableObjectStorage;
  private readonly sql: SqlStorage;
  private readonly rolledBack: () => void;
  /** Rows written by this instance, as they are billed. */
  rowsWritten = 0;
  /** The time of the alarm that this instance has set; 0: it has set none. */
  private wakesAtMs = 0;
  private alarmSet = Promise.resolve();

  /** `rolledBack` is called after a transaction that threw: memory may differ from what is stored. */
  constructor(storage: DurableObjectStorage, rolledBack: () => void) {
    super(storage.sql, "hot", SCHEMA);
    this.storage = storage;
    this.rolledBack = rolledBack;
    this.sql = storage.sql;
    this.upgrade();
  }

  transaction<Result>(work: () => Result): Result {
    try {
      return this.storage.transactionSync(work);
    } catch (error) {
      this.rolledBack();
      throw error;
    }
  }

  readHot(): string | undefined {
    return this.read<{ body: string }>("SELECT body FROM hot WHERE id = 1")[0]?.body;
  }

  writeHot(body: string): void {
    this.write("INSERT INTO hot (id, body) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body", body);
  }

  readKeys(): KeyRecord[] {
    return this.records("SELECT body FROM keys");
  }

  putKey(record: KeyRecord): void {
    this.write("INSERT OR REPLACE INTO keys (id, body) VALUES (?, ?)", record.id, JSON.stringify(record));
  }

  deleteKey(id: KeyId): void {
    this.write("DELETE FROM keys WHERE id = ?", id);
  }

  readGrant(id: string): GrantRecord | undefined {
    return this.records<GrantRecord>("SELECT body FROM grants WHERE id = ?", id)[0];
  }

  putGrant(record: GrantRecord): void {
    this.write("INSERT INTO grants (id, body) VALUES (?, ?)", record.id, JSON.stringify(record));
  }

  putSegment({ level, startMs, endMs, body }: Omit<Segment, "id">): void {
    this.write(
      "INSERT INTO segments (level, start_ms, end_ms, body) VALUES (?, ?, ?, ?)",
      SEGMENT_LEVELS.indexOf(level),
      startMs,
      endMs,
      body,
    );
  }

  readSegments(startMs: number, endMs: number): Segment[] {
    const query = `SELECT ${SEGMENT_COLUMNS} FROM segments WHERE start_ms < ? AND end_ms > ?`;
    return this.read<SegmentRow>(query, endMs, startMs).map(segmentOf);
  }

  readSegmentsBefore(level: SegmentLevel, endMs: number, limit: number): Segment[] {
    const query = `SELECT ${SEGMENT_COLUMNS} FROM segments WHERE level = ? AND end_ms <= ? ORDER BY id LIMIT ?`;
    return this.read<SegmentRow>(query, SEGMENT_LEVELS.indexOf(level), endMs, limit).map(segmentOf);
  }

  deleteSegment(id: number): void {
    this.write("DELETE FROM segments WHERE id = ?", id);
  }

  putStatementPage({ first, last, body }: StatementPage): void {
    this.write("INSERT INTO statement (first, last, body) VALUES (?, ?, ?)", first, last, body);
  }

  readStatementPages(before: number, limit: number): StatementPage[] {
    const query = "SELECT first, last, body FROM statement WHERE first < ? ORDER BY first DESC LIMIT ?";
    return this.read<{ first: number; last: number; body: string }>(query, before, limit);
  }

  readStatementFrom(from: number, limit: number): StatementPage[] {
    // The page that holds `from` begins before it.
    const query =
      "SELECT first, last, body FROM statement WHERE first >= (SELECT ifnull(max(first), 0) FROM statement WHERE first <= ?) AND last >= ? ORDER BY first LIMIT ?";
    return this.read<{ first: number; last: number; body: string }>(query, from, from, limit);
  }

  putSeal({ index, first, last, entry }: Seal): void {
    this.write(SEALS);
    this.write("INSERT INTO seals (first, last, number, entry) VALUES (?, ?, ?, ?)", first, last, index, entry);
  }

  readSeals({ before, limit }: { readonly before: number; readonly limit: number }): Seal[] {
    if (this.read("SELECT 1 FROM sqlite_master WHERE name = 'seals'").length === 0) return [];
    const query = `SELECT first, last, number AS "index", entry FROM seals WHERE first < ? ORDER BY first DESC LIMIT ?`;
    return this.read<{ index: number; first: number; last: number; entry: string }>(query, before, limit);
  }

  hasReference(reference: string): boolean {
    return this.read("SELECT 1 FROM refs WHERE ref = ?", reference).length > 0;
  }

  putReference(reference: string): void {
    this.write("INSERT INTO refs (ref) VALUES (?)", reference);
  }

  appendAudit({ atMs, actor, action, facts }: AuditRow): void {
    this.write("INSERT INTO audit (at_ms, actor, action, facts) VALUES (?, ?, ?, ?)", atMs, actor, action, facts);
  }

  readAudit(before: number, limit: number): (AuditRow & { readonly id: number })[] {
    const query = "SELECT id, at_ms AS atMs, actor, action, facts FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?";
    return this.read<{ id: number; atMs: number; actor: string; action: string; facts: string }>(query, before, limit);
  }

  /** When the thing with `id` was created, from the audit log, which outlives it. */
  madeAtMs(id: Id<IdKind>): number | undefined {
    const query =
      "SELECT at_ms AS atMs FROM audit WHERE action IN ('key.create', 'alert.create', 'webhook.create', 'session.begin') AND json_extract(facts, '$.id') = ? LIMIT 1";
    return this.read<{ atMs: number }>(query, id)[0]?.atMs;
  }

  putAnswer(segment: number, row: AnswerRow, { meta, vectors }: StoredAnswer): void {
    this.write(answersSchema(segment));
    const { route, key, bodyHash, leaseId, atMs } = row;
    for (let from = 0, part = 0; part === 0 || from < vectors.byteLength; from += PART_BYTES, part += 1) {
      const facts = part === 0 ? [bodyHash, leaseId, atMs, meta] : [null, null, null, null];
      const { buffer: bytes } = vectors.slice(from, from + PART_BYTES);
      this.write(
        `INSERT INTO ${answersTable(segment)} VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        route,
        key,
        part,
        ...facts,
        bytes,
      );
    }
  }

  readAnswer(segment: number, route: string, key: string): AnswerRow | undefined {
    const query = `SELECT body_hash AS bodyHash, session AS leaseId, at_ms AS atMs FROM ${answersTable(segment)} WHERE route = ? AND key = ? AND part = 0`;
    const [row] = this.read<{ bodyHash: string; leaseId: string; atMs: number }>(query, route, key);
    return row === undefined ? undefined : { route, key, ...row };
  }

  readStoredAnswer(segment: number, route: string, key: string): StoredAnswer | undefined {
    const from = `FROM ${answersTable(segment)} WHERE route = ? AND key = ?`;
    const query = `SELECT max(meta) AS meta, SUM(LENGTH(bytes)) AS length ${from}`;
    const [row] = this.read<{ meta: string; length: number | null }>(query, route, key);
    if (row === undefined || row.length === null) return undefined;
    const vectors = new Uint8Array(row.length);
    let offset = 0;
    // Part by part, because an object's memory may hold several such answers at once.
    for (const { bytes } of this.sql.exec<{ bytes: ArrayBuffer }>(`SELECT bytes ${from} ORDER BY part`, route, key)) {
      vectors.set(new Uint8Array(bytes), offset);
      offset += bytes.byteLength;
    }
    return { meta: row.meta, vectors };
  }

  putAnswerMeta(segment: number, route: string, key: string, meta: string): void {
    const table = answersTable(segment);
    this.write(`UPDATE ${table} SET meta = ? WHERE route = ? AND key = ? AND part = 0`, meta, route, key);
  }

  listAnswers(segment: number, route: string, { from, below }: KeyRange, limit: number): KeyedMeta[] {
    const query = `SELECT key, at_ms AS atMs, meta FROM ${answersTable(segment)} WHERE route = ? AND key >= ? AND key < ? AND part = 0 ORDER BY key LIMIT ?`;
    return this.read<{ key: string; atMs: number; meta: string }>(query, route, from, below, limit);
  }

  dropAnswers(segment: number): void {
    this.write(`DROP TABLE IF EXISTS ${answersTable(segment)}`);
  }

  putReceipt(name: string, receipt: string, untilMs: number): void {
    this.write("INSERT OR REPLACE INTO receipts (name, until_ms, receipt) VALUES (?, ?, ?)", name, untilMs, receipt);
  }

  readReceipt(name: string): string | undefined {
    return this.read<{ receipt: string }>("SELECT receipt FROM receipts WHERE name = ?", name)[0]?.receipt;
  }

  deleteReceiptsBefore(nowMs: number, limit: number): number {
    const rows = this.read<{ name: string }>("SELECT name FROM receipts WHERE until_ms <= ? LIMIT ?", nowMs, limit);
    for (const { name } of rows) this.write("DELETE FROM receipts WHERE name = ?", name);
    return rows.length;
  }

  wakeAt(atMs: number): void {
    if (this.wakesAtMs !== 0 && this.wakesAtMs <= atMs) return;
    this.wakesAtMs = atMs;
    this.alarmSet = this.setEarlierAlarm(atMs);
  }

  /** Like `wakeAt`; resolves once the alarm is set. */
  wakesBy(atMs: number): Promise<void> {
    this.wakeAt(atMs);
    return this.alarmSet;
  }

  /** Call it when an alarm has fired: none is set then. */
  woke(): void {
    this.wakesAtMs = 0;
  }

  /** Whether anything waits for an alarm: segments that can still be folded, or receipts. */
  hasHousekeeping(): boolean {
    const young = SEGMENT_LEVELS.indexOf("month");
    return (
      this.read("SELECT 1 FROM segments WHERE level < ? LIMIT 1", young).length > 0 ||
      this.read("SELECT 1 FROM receipts LIMIT 1").length > 0
    );
  }

  override forget(): void {
    super.forget();
    this.upgrade(); // a restored dump may be of version 1
    this.wakesAtMs = 0;
  }

  /** Keeps an earlier alarm, which a restarted object does not know of. Reading the alarm costs no row. */
  private async setEarlierAlarm(atMs: number): Promise<void> {
    const set = await this.storage.getAlarm();
    if (set === null || set > atMs) await this.storage.setAlarm(atMs);
  }

  /** Version 1 kept receipts and answers in one table: receipts are moved, answers are dropped. */
  private upgrade(): void {
    const tables = this.sql.exec("SELECT name FROM sqlite_master WHERE name IN ('hot', 'receipts')").toArray();
    if (tables.length !== 1) return;
    this.storage.transactionSync(() => {
      for (const statement of SCHEMA) this.sql.exec(statement);
      this.sql.exec(
        "INSERT INTO receipts (name, until_ms, receipt) SELECT key, expires_ms, meta FROM idempotency WHERE route = 'batch slices'",
      );
      this.sql.exec("DROP TABLE idempotency");
      this.sql.exec("DROP TABLE idempotency_parts");
    });
  }

  protected override write(query: string, ...bindings: SqlStorageValue[]): number {
    const written = super.write(query, ...bindings);
    this.rowsWritten += written;
    return written;
  }
}

interface SegmentRow extends Record<string, SqlStorageValue> {
  readonly id: number;
  readonly level: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly body: string;
}
const SEGMENT_COLUMNS = "id, level, start_ms AS startMs, end_ms AS endMs, body";

function segmentOf(row: SegmentRow): Segment {
  return { ...row, level: must(SEGMENT_LEVELS[row.level], "segment level") };
}
