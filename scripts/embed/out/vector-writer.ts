// The interface of every output format: rows in the corpus's order, into files that get their names when complete.

import type { Dtype } from "../job.ts";
import type { Id } from "../rows/row.ts";

export interface VectorWriter {
  /** `vector`: in the job's stored form. */
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
