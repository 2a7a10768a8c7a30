// What a batch's object stores in SQLite: its state in one row, and one row for each finished slice. It holds no
// customer text. The object deletes everything once the batch has ended.

import { LazyTables } from "../lib/lazy-tables.ts";
import type { FileChunk } from "../files/types.ts";
import type { BatchState, SliceResult } from "../files/batch-types.ts";

const SCHEMA = [
  "CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY, body TEXT NOT NULL)",
  "CREATE TABLE IF NOT EXISTS parts (slice INTEGER PRIMARY KEY, output TEXT, errors TEXT)",
];

export class BatchStore extends LazyTables {
  readonly #storage: DurableObjectStorage;
  /** Set by `deleteAll`: work that still runs must write nothing more. */
  isClosed = false;

  constructor(storage: DurableObjectStorage) {
    super(storage.sql, "state", SCHEMA);
    this.#storage = storage;
  }

  get(): BatchState | undefined {
    return this.isClosed ? undefined : this.records<BatchState>("SELECT body FROM state WHERE id = 1")[0];
  }

  put(state: BatchState): void {
    if (this.isClosed) return;
    this.write("INSERT OR REPLACE INTO state (id, body) VALUES (1, ?)", JSON.stringify(state));
  }

  /** Writes the chunks of slice number `slice` and the state after it in one transaction. */
  finishSlice(slice: number, { output, errors }: SliceResult, state: BatchState): void {
    if (this.isClosed) return;
    this.#storage.transactionSync(() => {
      this.write(
        "INSERT OR REPLACE INTO parts (slice, output, errors) VALUES (?, ?, ?)",
        slice,
        output === undefined ? null : JSON.stringify(output.chunk),
        errors === undefined ? null : JSON.stringify(errors.chunk),
      );
      this.put(state);
    });
  }

  /** The chunks of a file in the order of its lines. */
  chunks(file: "output" | "errors"): FileChunk[] {
    if (this.isClosed) return [];
    return this.records(`SELECT ${file} AS body FROM parts WHERE ${file} IS NOT NULL ORDER BY slice`);
  }

  async deleteAll(): Promise<void> {
    this.isClosed = true;
    await this.#storage.deleteAlarm();
    await this.#storage.deleteAll();
  }
}
