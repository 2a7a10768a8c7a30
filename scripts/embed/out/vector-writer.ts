// What every form of output does: rows in the order of the corpus, into files that get their names when they are whole.

import type { Dtype } from "../job.ts";
import type { Id } from "../rows/row.ts";

export interface VectorWriter {
  /** vector: as the job stores it. */
  readonly add: (id: Id, vector: Buffer) => Promise<void>;
  /** Names the files; resolves to their paths. */
  readonly finish: () => Promise<readonly string[]>;
}

export interface VectorShape {
  readonly dtype: Dtype;
  readonly dimensions: number;
  /** "integer": all ids are numbers. */
  readonly ids: "text" | "integer";
}

/** An id as JSON; one from Parquet may be a bigint. */
export function idJson(id: Id): string {
  return typeof id === "bigint" ? id.toString() : JSON.stringify(id);
}
