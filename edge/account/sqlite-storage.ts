// The storage port over a Durable Object's SQLite. No table is made before the first write: an object that was never
// set up costs nothing to ask. Everything it reads was written here, and is believed.

import { must } from "../../shared/assert.ts";
import type { KeyId } from "../../shared/ids.ts";
import { SCHEMA } from "./schema.ts";
import { SEGMENT_LEVELS } from "./storage.ts";
import type {
  AuditRow,
  GrantRecord,
  IdempotencyRow,
  KeyRecord,
  LedgerStorage,
  Segment,
  SegmentLevel,
  StatementPage,
} from "./storage.ts";
import type { StoredAnswer } from "./types.ts";

/** A SQLite value may have 2 MB; stored vectors are cut into parts of this size. */
const PART_BYTES = 1_000_000;

type Row = Record<string, SqlStorageValue>;

export class SqliteStorage implements LedgerStorage {
  private readonly storage: DurableObjectStorage;
  private readonly sql: SqlStorage;
  private ready: boolean;
  /** Rows written by this instance, as they are billed. */
  rowsWritten = 0;
  /** The alarm that is set, as far as this instance knows; 0: it set none. */
  private wakesAtMs = 0;

  constructor(storage: DurableObjectStorage) {
    this.storage = storage;
    this.sql = storage.sql;
    this.ready = this.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'hot'").toArray().length > 0;
  }

  transaction<Result>(work: () => Result): Result {
    return this.storage.transactionSync(work);
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

  readIdempotency(route: string, key: string): IdempotencyRow | undefined {
    const [row] = this.read("SELECT * FROM idempotency WHERE route = ? AND key = ?", route, key);
    if (row === undefined) return undefined;
    return {
      route,
      key,
      bodyHash: String(row["body_hash"]),
      session: String(row["session"]),
      expiresAtMs: Number(row["expires_ms"]),
      done: row["done"] === 1,
    };
  }

  putIdempotency(row: IdempotencyRow, stored?: StoredAnswer): void {
    const { route, key, bodyHash, session, expiresAtMs, done } = row;
    this.write("DELETE FROM idempotency_parts WHERE route = ? AND key = ?", route, key);
    this.write(
      "INSERT OR REPLACE INTO idempotency (route, key, body_hash, session, expires_ms, done, meta) VALUES (?, ?, ?, ?, ?, ?, ?)",
      route,
      key,
      bodyHash,
      session,
      expiresAtMs,
      done ? 1 : 0,
      stored?.meta ?? null,
    );
    if (stored === undefined) return;
    for (let from = 0, part = 0; from < stored.vectors.byteLength; from += PART_BYTES, part += 1) {
      const bytes = stored.vectors.slice(from, from + PART_BYTES);
      this.write(
        "INSERT INTO idempotency_parts (route, key, part, bytes) VALUES (?, ?, ?, ?)",
        route,
        key,
        part,
        bytes.buffer,
      );
    }
  }

  readStoredAnswer(route: string, key: string): StoredAnswer | undefined {
    const [row] = this.read(
      "SELECT meta, (SELECT SUM(LENGTH(bytes)) FROM idempotency_parts p WHERE p.route = i.route AND p.key = i.key) AS length FROM idempotency i WHERE route = ? AND key = ? AND done = 1",
      route,
      key,
    );
    if (row === undefined) return undefined;
    const vectors = new Uint8Array(Number(row["length"] ?? 0));
    let offset = 0;
    const parts = "SELECT bytes FROM idempotency_parts WHERE route = ? AND key = ? ORDER BY part";
    // One part after the other: an object's memory may hold several such answers at once.
    for (const { bytes } of this.sql.exec(parts, route, key)) {
      const part = bytesOf(bytes);
      vectors.set(part, offset);
      offset += part.byteLength;
    }
    return { meta: String(row["meta"]), vectors };
  }

  deleteIdempotency(route: string, key: string): void {
    this.write("DELETE FROM idempotency WHERE route = ? AND key = ?", route, key);
    this.write("DELETE FROM idempotency_parts WHERE route = ? AND key = ?", route, key);
  }

  deleteIdempotencyBefore(nowMs: number, limit: number): number {
    const rows = this.read("SELECT route, key FROM idempotency WHERE expires_ms <= ? LIMIT ?", nowMs, limit);
    for (const row of rows) this.deleteIdempotency(String(row["route"]), String(row["key"]));
    return rows.length;
  }

  wakeAt(atMs: number): void {
    if (this.wakesAtMs !== 0 && this.wakesAtMs <= atMs) return;
    this.wakesAtMs = atMs;
    void this.setEarlierAlarm(atMs);
  }

  /** An alarm has fired: none is set now. */
  woke(): void {
    this.wakesAtMs = 0;
  }

  /** Whether anything waits for an alarm: young segments, or idempotency keys. */
  hasHousekeeping(): boolean {
    const young = SEGMENT_LEVELS.indexOf("month");
    return (
      this.read("SELECT 1 FROM segments WHERE level < ? LIMIT 1", young).length > 0 ||
      this.read("SELECT 1 FROM idempotency LIMIT 1").length > 0
    );
  }

  /** Everything was deleted (`DurableObjectStorage.deleteAll`): the next write makes the tables anew. */
  forget(): void {
    this.ready = false;
    this.wakesAtMs = 0;
  }

  /** A restarted object does not know its alarm: one that is set earlier stays. Reading it costs no row. */
  private async setEarlierAlarm(atMs: number): Promise<void> {
    const set = await this.storage.getAlarm();
    if (set === null || set > atMs) await this.storage.setAlarm(atMs);
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
