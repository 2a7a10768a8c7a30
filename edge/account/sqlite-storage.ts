// The storage port over a Durable Object's SQLite. The first write creates the tables, so that reading an object that
// was never set up costs nothing. Everything it reads was written here, so it is trusted.

import { must } from "../../shared/assert.ts";
import type { Id, IdKind, KeyId } from "../../shared/ids.ts";
import { SEGMENT_LEVELS } from "../ledger/storage.ts";
import type {
  AnswerRow,
  AuditRow,
  GrantRecord,
  KeyRecord,
  LedgerStorage,
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

/** A SQLite value may have 2 MB, so stored vectors are cut into parts of this size. */
const PART_BYTES = 1_000_000;

type Row = Record<string, SqlStorageValue>;

export class SqliteStorage implements LedgerStorage {
  private readonly storage: DurableObjectStorage;
  private readonly sql: SqlStorage;
  private readonly rolledBack: () => void;
  private ready: boolean;
  /** Rows written by this instance, as they are billed. */
  rowsWritten = 0;
  /** The time of the alarm that this instance has set; 0: it has set none. */
  private wakesAtMs = 0;
  private alarmSet = Promise.resolve();

  /** `rolledBack` is called after a transaction that threw: memory may differ from what is stored. */
  constructor(storage: DurableObjectStorage, rolledBack: () => void) {
    this.storage = storage;
    this.rolledBack = rolledBack;
    this.sql = storage.sql;
    this.ready = this.hasTables();
  }

  private hasTables(): boolean {
    const tables = this.sql.exec("SELECT name FROM sqlite_master WHERE name IN ('hot', 'receipts')").toArray();
    if (tables.length === 1) this.upgrade();
    return tables.length > 0;
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
    const [row] = this.read("SELECT body FROM hot WHERE id = 1");
    return row === undefined ? undefined : String(row["body"]);
  }

  writeHot(body: string): void {
    this.write("INSERT INTO hot (id, body) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body", body);
  }

  readKeys(): KeyRecord[] {
    return this.read("SELECT body FROM keys").map((row) => parse<KeyRecord>(row["body"]));
  }

  putKey(record: KeyRecord): void {
    this.write("INSERT OR REPLACE INTO keys (id, body) VALUES (?, ?)", record.id, JSON.stringify(record));
  }

  deleteKey(id: KeyId): void {
    this.write("DELETE FROM keys WHERE id = ?", id);
  }

  readGrant(id: string): GrantRecord | undefined {
    const [row] = this.read("SELECT body FROM grants WHERE id = ?", id);
    return row === undefined ? undefined : parse<GrantRecord>(row["body"]);
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
    return this.read("SELECT * FROM segments WHERE start_ms < ? AND end_ms > ?", endMs, startMs).map(segmentOf);
  }

  readSegmentsBefore(level: SegmentLevel, endMs: number, limit: number): Segment[] {
    return this.read(
      "SELECT * FROM segments WHERE level = ? AND end_ms <= ? ORDER BY id LIMIT ?",
      SEGMENT_LEVELS.indexOf(level),
      endMs,
      limit,
    ).map(segmentOf);
  }

  deleteSegment(id: number): void {
    this.write("DELETE FROM segments WHERE id = ?", id);
  }

  putStatementPage({ first, last, body }: StatementPage): void {
    this.write("INSERT INTO statement (first, last, body) VALUES (?, ?, ?)", first, last, body);
  }

  readStatementPages(before: number, limit: number): StatementPage[] {
    return this.read("SELECT * FROM statement WHERE first < ? ORDER BY first DESC LIMIT ?", before, limit).map(
      (row) => ({
        first: Number(row["first"]),
        last: Number(row["last"]),
        body: String(row["body"]),
      }),
    );
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
    return this.read("SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?", before, limit).map((row) => ({
      id: Number(row["id"]),
      atMs: Number(row["at_ms"]),
      actor: String(row["actor"]),
      action: String(row["action"]),
      facts: String(row["facts"]),
    }));
  }

  /** When the thing with `id` was created, from the audit log, which outlives it. */
  madeAtMs(id: Id<IdKind>): number | undefined {
    const [row] = this.read(
      "SELECT at_ms FROM audit WHERE action IN ('key.create', 'alert.create', 'webhook.create', 'session.begin') AND json_extract(facts, '$.id') = ? LIMIT 1",
      id,
    );
    return row === undefined ? undefined : Number(row["at_ms"]);
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
    const columns = "body_hash, session, at_ms";
    const table = answersTable(segment);
    const [row] = this.read(`SELECT ${columns} FROM ${table} WHERE route = ? AND key = ? AND part = 0`, route, key);
    if (row === undefined) return undefined;
    const { body_hash: bodyHash, session: leaseId, at_ms: atMs } = row;
    return { route, key, bodyHash: String(bodyHash), leaseId: String(leaseId), atMs: Number(atMs) };
  }

  readStoredAnswer(segment: number, route: string, key: string): StoredAnswer | undefined {
    const from = `FROM ${answersTable(segment)} WHERE route = ? AND key = ?`;
    const [row] = this.read(`SELECT max(meta) AS meta, SUM(LENGTH(bytes)) AS length ${from}`, route, key);
    if (row === undefined || row["length"] === null) return undefined;
    const vectors = new Uint8Array(Number(row["length"]));
    let offset = 0;
    // Part by part, because an object's memory may hold several such answers at once.
    for (const { bytes } of this.sql.exec(`SELECT bytes ${from} ORDER BY part`, route, key)) {
      const part = bytesOf(bytes);
      vectors.set(part, offset);
      offset += part.byteLength;
    }
    return { meta: String(row["meta"]), vectors };
  }

  dropAnswers(segment: number): void {
    this.write(`DROP TABLE IF EXISTS ${answersTable(segment)}`);
  }

  putReceipt(name: string, receipt: string, untilMs: number): void {
    this.write("INSERT OR REPLACE INTO receipts (name, until_ms, receipt) VALUES (?, ?, ?)", name, untilMs, receipt);
  }

  readReceipt(name: string): string | undefined {
    const [row] = this.read("SELECT receipt FROM receipts WHERE name = ?", name);
    return row === undefined ? undefined : String(row["receipt"]);
  }

  deleteReceiptsBefore(nowMs: number, limit: number): number {
    const rows = this.read("SELECT name FROM receipts WHERE until_ms <= ? LIMIT ?", nowMs, limit);
    for (const { name } of rows) this.write("DELETE FROM receipts WHERE name = ?", String(name));
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

  /** Drops what memory knows, because what is stored was deleted, rolled back or restored. */
  forget(): void {
    this.ready = this.hasTables();
    this.wakesAtMs = 0;
  }

  /** Keeps an earlier alarm, which a restarted object does not know of. Reading the alarm costs no row. */
  private async setEarlierAlarm(atMs: number): Promise<void> {
    const set = await this.storage.getAlarm();
    if (set === null || set > atMs) await this.storage.setAlarm(atMs);
  }

  /** Version 1 kept receipts and answers in one table: receipts are moved, answers are dropped. */
  private upgrade(): void {
    this.storage.transactionSync(() => {
      for (const statement of SCHEMA) this.sql.exec(statement);
      this.sql.exec(
        "INSERT INTO receipts (name, until_ms, receipt) SELECT key, expires_ms, meta FROM idempotency WHERE route = 'batch slices'",
      );
      this.sql.exec("DROP TABLE idempotency");
      this.sql.exec("DROP TABLE idempotency_parts");
    });
  }

  private read(query: string, ...bindings: SqlStorageValue[]): Row[] {
    return this.ready ? this.sql.exec(query, ...bindings).toArray() : [];
  }

  protected write(query: string, ...bindings: SqlStorageValue[]): void {
    if (!this.ready) {
      for (const statement of SCHEMA) this.sql.exec(statement);
      this.ready = true;
    }
    this.rowsWritten += this.sql.exec(query, ...bindings).rowsWritten;
  }
}

function segmentOf(row: Row): Segment {
  return {
    id: Number(row["id"]),
    level: must(SEGMENT_LEVELS[Number(row["level"])], "segment level"),
    startMs: Number(row["start_ms"]),
    endMs: Number(row["end_ms"]),
    body: String(row["body"]),
  };
}

function parse<Value>(text: SqlStorageValue | undefined): Value {
  const value: Value = JSON.parse(String(text));
  return value;
}

function bytesOf(value: SqlStorageValue | undefined): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TypeError("a stored part is bytes");
}
