// The last pass: writes a vector for each row of the corpus, in its order, and lists the rows that have none.

import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Corpus, Id } from "../rows/row.ts";
import { hashOf } from "../rows/row.ts";
import type { TextTable } from "../text-table.ts";
import type { VectorStore } from "../vector-store.ts";
import { jsonlWriter } from "./jsonl.ts";
import { npyWriter } from "./npy.ts";
import { parquetWriter } from "./parquet.ts";
import type { VectorShape, VectorWriter } from "./vector-writer.ts";
import { WholeFile } from "./whole-file.ts";
import { must } from "../../../shared/assert.ts";

export const FORMATS = ["npy", "jsonl", "parquet"] as const;
export type Format = (typeof FORMATS)[number];

const WRITERS: Readonly<Record<Format, (out: string, shape: VectorShape) => Promise<VectorWriter>>> = {
  npy: npyWriter,
  jsonl: jsonlWriter,
  parquet: parquetWriter,
};

export interface OutputJob {
  readonly out: string;
  readonly format: Format;
  readonly shape: VectorShape;
  readonly corpus: Corpus;
  readonly table: TextTable;
  readonly store: VectorStore;
  /** Why the API refused a text, by its slot. */
  readonly refusals: ReadonlyMap<number, string>;
}

export interface Output {
  readonly rows: number;
  /** Left out, and listed in bad-rows.jsonl. */
  readonly bad: number;
  readonly files: readonly string[];
}

export async function writeOutput({ out, format, shape, corpus, table, store, refusals }: OutputJob): Promise<Output> {
  const writer = await WRITERS[format](out, shape);
  const reader = new VectorReader(store);
  const badRows = await WholeFile.create(join(out, "bad-rows.jsonl"));
  let [rows, bad] = [0, 0];
  const leaveOut = async (line: number, row: number, reason: string, id?: Id): Promise<void> => {
    bad += 1;
    const shown = typeof id === "bigint" ? id.toString() : id;
    await badRows.write(Buffer.from(`${JSON.stringify({ [corpus.unit]: line, row, id: shown, reason })}\n`));
  };
  for await (const found of corpus.rows()) {
    for (const item of found) {
      if (item.kind === "bad") {
        await leaveOut(item.line, item.row, item.reason);
        continue;
      }
      const slot = table.find(hashOf(item.text));
      const record = table.record(slot);
      const reason = refusals.get(slot);
      if (record !== undefined) {
        await writer.add(item.id, await reader.vector(record));
        rows += 1;
      } else await leaveOut(item.line, item.row, must(reason, "why a text has no vector"), item.id);
    }
  }
  const files = await writer.finish();
  const path = await badRows.finish();
  if (bad === 0) rmSync(path);
  return { rows, bad, files: bad === 0 ? files : [...files, path] };
}

const WINDOW_BYTES = 256 * 1024;
/** Answers are out of order by at most the number of requests in flight. */
const WINDOWS_MAX = 64;

/** Reads vectors by record. Records are nearly in the corpus's order, so a few windows serve most reads. */
class VectorReader {
  readonly #store: VectorStore;
  readonly #perWindow: number;
  readonly #windows = new Map<number, Buffer>();

  constructor(store: VectorStore) {
    this.#store = store;
    this.#perWindow = Math.max(1, Math.floor(WINDOW_BYTES / store.vectorBytes));
  }

  async vector(record: number): Promise<Buffer> {
    const index = Math.floor(record / this.#perWindow);
    let window = this.#windows.get(index);
    if (window === undefined) {
      window = await this.#store.read(index * this.#perWindow, this.#perWindow);
      if (this.#windows.size === WINDOWS_MAX) this.#windows.delete(this.#windows.keys().next().value ?? 0);
      this.#windows.set(index, window);
    }
    const at = (record % this.#perWindow) * this.#store.vectorBytes;
    return window.subarray(at, at + this.#store.vectorBytes);
  }
}
