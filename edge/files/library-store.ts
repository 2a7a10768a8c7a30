// The tables of an account's library, synchronous over SQLite: files (facts, chunks) and batches (their last view).
// Lists follow the order of creation (`seq`, never reused), so a cursor keeps its place even when its file is deleted.
// Numbers bind as REAL, so columns are declared INTEGER.

import { LazyTables } from "../lib/lazy-tables.ts";
import type { BatchSnapshot } from "./batch-types.ts";
import type { BatchId, FileContent, FileFacts, FileId, FilePurpose, FileRecord } from "./types.ts";
import { FILE_LIMITS } from "./types.ts";

const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS files (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, purpose TEXT NOT NULL, stored_bytes INTEGER NOT NULL, expires_ms INTEGER NOT NULL, facts TEXT NOT NULL, content TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS gone_files (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)`,
  `CREATE TABLE IF NOT EXISTS batches (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, ended INTEGER NOT NULL, created_ms INTEGER NOT NULL, view TEXT NOT NULL)`,
];

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly hasMore: boolean;
}

export interface PageQuery {
  /** The last id of the previous page. */
  readonly after?: string;
  readonly limit: number;
  readonly order: "asc" | "desc";
}

export interface ListedBatch {
  readonly view: BatchSnapshot;
  /** False: the batch's own object has newer facts. */
  readonly ended: boolean;
}

/** Deleted files that a cursor may still name: twice as many as an account may have. */
const GONE_FILES_MAX = 20_000;

type FactsRow = { readonly facts: string };
type ContentRow = FactsRow & { readonly content: string };
type BatchRow = { readonly view: string; readonly ended: number };

export class LibraryStore extends LazyTables {
  constructor(sql: SqlStorage) {
    super(sql, "files", SCHEMA);
    // A library that is older than the table of deleted files has only the first of these two.
    const old = sql.exec("SELECT name FROM sqlite_master WHERE name IN ('files', 'gone_files')").toArray();
    if (old.length === 1) for (const definition of SCHEMA) sql.exec(definition);
  }

  /** The number of files, uploads in progress included, and their stored bytes. */
  totals(): { files: number; storedBytes: number } {
    const [row] = this.read<{ files: number; storedBytes: number }>(
      "SELECT COUNT(*) AS files, COALESCE(SUM(stored_bytes), 0) AS storedBytes FROM files",
    );
    return row ?? { files: 0, storedBytes: 0 };
  }

  /** Unfinished uploads that began after `sinceMs`. */
  uploadsSince(sinceMs: number): number {
    const [row] = this.read<{ uploads: number }>(
      "SELECT COUNT(*) AS uploads FROM files WHERE state = 'uploading' AND expires_ms > ?",
      sinceMs + FILE_LIMITS.uploadMsMax,
    );
    return row?.uploads ?? 0;
  }

  putFile(record: FileRecord, state: "uploading" | "ready", expiresAtMs: number): void {
    const { content, ...facts } = record;
    const stored = content.chunks.reduce((sum, { bytes }) => sum + bytes, 0);
    this.write(
      `INSERT INTO files (seq, id, state, purpose, stored_bytes, expires_ms, facts, content)
         VALUES (1 + MAX(COALESCE((SELECT MAX(seq) FROM files), 0), COALESCE((SELECT MAX(seq) FROM gone_files), 0)), ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET state = excluded.state, stored_bytes = excluded.stored_bytes,
         expires_ms = excluded.expires_ms, facts = excluded.facts, content = excluded.content`,
      record.fileId,
      state,
      record.purpose,
      stored,
      expiresAtMs,
      JSON.stringify(facts),
      encodeContent(content),
    );
  }

  /** Undefined: no such file. */
  fileState(id: FileId): "uploading" | "ready" | "gone" | undefined {
    const [row] = this.read<{ state: "uploading" | "ready" | "gone" }>("SELECT state FROM files WHERE id = ?", id);
    return row?.state;
  }

  getFile(id: FileId, nowMs: number): FileRecord | undefined {
    const [row] = this.read<ContentRow>(
      "SELECT facts, content FROM files WHERE id = ? AND state = 'ready' AND expires_ms > ?",
      id,
      nowMs,
    );
    if (row === undefined) return undefined;
    return { ...factsOf(row), content: decodeContent(row) };
  }

  /** Undefined: `after` is not a file of this account. */
  listFiles(query: PageQuery & { readonly purpose?: FilePurpose }, nowMs: number): Page<FileFacts> | undefined {
    const from = this.#seqOf("files", query);
    if (from === undefined) return undefined;
    const rows = this.read<FactsRow>(
      `SELECT facts FROM files WHERE seq ${beyond(query)} ? AND state = 'ready' AND expires_ms > ? AND (? = '' OR purpose = ?) ORDER BY seq ${query.order} LIMIT ?`,
      from,
      nowMs,
      query.purpose ?? "",
      query.purpose ?? "",
      query.limit + 1,
    );
    return pageOf(rows, query.limit, factsOf);
  }

  /** Hides the file at once; the caller or the alarm deletes its chunks and its row. */
  hideFile(id: FileId, nowMs: number): void {
    this.write("UPDATE files SET state = 'gone', expires_ms = ? WHERE id = ?", nowMs, id);
  }

  dropFile(id: FileId): void {
    this.write("INSERT OR IGNORE INTO gone_files (seq, id) SELECT seq, id FROM files WHERE id = ?", id);
    this.write("DELETE FROM files WHERE id = ?", id);
    // Trims by `seq` and not by counting rows: every row read is billed.
    this.write("DELETE FROM gone_files WHERE seq <= (SELECT MAX(seq) FROM gone_files) - ?", GONE_FILES_MAX);
  }

  expiredFiles(nowMs: number, limit: number): FileFacts[] {
    return this.read<FactsRow>("SELECT facts FROM files WHERE expires_ms <= ? LIMIT ?", nowMs, limit).map(factsOf);
  }

  earliestExpiryMs(): number | undefined {
    const [row] = this.read<{ at: number | null }>("SELECT MIN(expires_ms) AS at FROM files");
    return row?.at ?? undefined;
  }

  runningBatches(): number {
    const [row] = this.read<{ running: number }>("SELECT COUNT(*) AS running FROM batches WHERE ended = 0");
    return row?.running ?? 0;
  }

  putBatch(view: BatchSnapshot, ended: boolean): void {
    this.write(
      "INSERT INTO batches (id, ended, created_ms, view) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, view = excluded.view",
      view.id,
      ended ? 1 : 0,
      view.createdAtMs,
      JSON.stringify(view),
    );
  }

  getBatch(id: BatchId): ListedBatch | undefined {
    const [row] = this.read<BatchRow>("SELECT view, ended FROM batches WHERE id = ?", id);
    return row === undefined ? undefined : batchOf(row);
  }

  /** Undefined: `after` is not a batch of this account. */
  listBatches(query: PageQuery): Page<ListedBatch> | undefined {
    const from = this.#seqOf("batches", query);
    if (from === undefined) return undefined;
    const rows = this.read<BatchRow>(
      `SELECT view, ended FROM batches WHERE seq ${beyond(query)} ? ORDER BY seq ${query.order} LIMIT ?`,
      from,
      query.limit + 1,
    );
    return pageOf(rows, query.limit, batchOf);
  }

  runningBatchIds(): BatchId[] {
    return this.read<BatchRow>("SELECT view, ended FROM batches WHERE ended = 0").map((row) => batchOf(row).view.id);
  }

  /** Deletes ended batches that are older than the newest `keep` batches. */
  trimBatches(keep: number): void {
    this.write(
      "DELETE FROM batches WHERE ended = 1 AND seq <= (SELECT seq FROM batches ORDER BY seq DESC LIMIT 1 OFFSET ?)",
      keep,
    );
  }

  #seqOf(table: "files" | "batches", { after, order }: PageQuery): number | undefined {
    if (after === undefined) return order === "asc" ? 0 : Number.MAX_SAFE_INTEGER;
    const gone = table === "files" ? " UNION ALL SELECT seq, id FROM gone_files" : "";
    const [row] = this.read<{ seq: number }>(
      `SELECT seq FROM (SELECT seq, id FROM ${table}${gone}) WHERE id = ?`,
      after,
    );
    return row?.seq;
  }
}

function beyond({ order }: PageQuery): "<" | ">" {
  return order === "asc" ? ">" : "<";
}

function pageOf<Row, Item>(rows: readonly Row[], limit: number, itemOf: (row: Row) => Item): Page<Item> {
  return { items: rows.slice(0, limit).map(itemOf), hasMore: rows.length > limit };
}

/** Compact, so that an output of 50,000 one-line slices fits into a SQLite value (2 MB). */
interface EncodedContent {
  readonly format: FileContent["format"];
  readonly chunks: readonly (readonly [name: string, bytes: number])[];
}

function encodeContent({ format, chunks }: FileContent): string {
  const encoded: EncodedContent = { format, chunks: chunks.map(({ name, bytes }) => [name, bytes]) };
  return JSON.stringify(encoded);
}

function decodeContent({ content }: ContentRow): FileContent {
  const { format, chunks }: EncodedContent = JSON.parse(content);
  return { format, chunks: chunks.map(([name, bytes]) => ({ name, bytes })) };
}

function factsOf(row: FactsRow): FileFacts {
  const facts: FileFacts = JSON.parse(row.facts);
  return facts;
}

function batchOf(row: BatchRow): ListedBatch {
  const view: BatchSnapshot = JSON.parse(row.view);
  return { view, ended: row.ended === 1 };
}
