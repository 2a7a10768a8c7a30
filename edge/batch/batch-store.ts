// What a batch's object stores in SQLite: its state in one row, and one row for each finished slice. It holds no
// customer text. The object deletes everything once the batch has ended.

import type { FileChunk } from "../files/types.ts";
import type { BatchState, SliceResult } from "../files/batch-types.ts";

const SCHEMA = [
  "CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY, body TEXT NOT NULL)",
  "CREATE TABLE IF NOT EXISTS parts (slice INTEGER PRIMARY KEY, output TEXT, errors TEXT)",
];

export class BatchStore {
  readonly #storage: DurableObjectStorage;
  #ready: boolean;
  /** Set by `deleteAll`: work that still runs must write nothing more. */
  isClosed = false;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#ready = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'state'").toArray().length > 0;
  }

  read(): BatchState | undefined {
    const [row] = this.#read<{ body: string }>("SELECT body FROM state WHERE id = 1");
    if (row === undefined) return undefined;
    const state: BatchState = JSON.parse(row.body);
    return state;
  }

  write(state: BatchState): void {
    if (this.isClosed) return;
    if (!this.#ready) {
      for (const statement of SCHEMA) this.#storage.sql.exec(statement);
      this.#ready = true;
    }
    this.#storage.sql.exec("INSERT OR REPLACE INTO state (id, body) VALUES (1, ?)", JSON.stringify(state));
  }

  /** Writes the chunks of slice number `slice` and the state after it in one transaction. */
  finishSlice(slice: number, { output, errors }: SliceResult, state: BatchState): void {
    if (this.isClosed) return;
    this.#storage.transactionSync(() => {
      this.#storage.sql.exec(
        "INSERT OR REPLACE INTO parts (slice, output, errors) VALUES (?, ?, ?)",
        slice,
        output === undefined ? null : JSON.stringify(output.chunk),
        errors === undefined ? null : JSON.stringify(errors.chunk),
      );
      this.write(state);
    });
  }

  /** The chunks of a file in the order of its lines. */
  chunks(file: "output" | "errors"): FileChunk[] {
    const query = `SELECT ${file} AS chunk FROM parts WHERE ${file} IS NOT NULL ORDER BY slice`;
    return this.#read<{ chunk: string }>(query).map((row) => {
      const chunk: FileChunk = JSON.parse(row.chunk);
      return chunk;
    });
  }

  async deleteAll(): Promise<void> {
    this.isClosed = true;
    await this.#storage.deleteAlarm();
    await this.#storage.deleteAll();
  }

  /** Rows were written by this class, so they are trusted. */
  #read<Row extends Record<string, SqlStorageValue>>(query: string): Row[] {
    return this.#ready && !this.isClosed ? this.#storage.sql.exec<Row>(query).toArray() : [];
  }
}
