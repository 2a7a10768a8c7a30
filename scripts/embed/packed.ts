// Packs the texts of a corpus into requests: each distinct text once, in the order of its first row.

import type { Bounds } from "./service.ts";
import type { Corpus, Row } from "./rows/row.ts";
import { hashOf } from "./rows/row.ts";
import type { TextTable } from "./text-table.ts";

export interface PackedText {
  readonly slot: number;
  readonly row: Row;
  /** The most tokens that it can have. */
  readonly bound: number;
}

export interface PackLimits {
  /** The most texts of a request. */
  readonly texts: number;
  /** The most tokens of a request; asked for each request, so that it may change. A larger text is sent by itself. */
  readonly tokens: () => number;
}

/** The texts of `corpus` that `take` accepts, packed. Every text it is asked about is in the table. */
export async function* packed(
  corpus: Corpus,
  table: TextTable,
  bounds: Bounds,
  limits: PackLimits,
  take: (slot: number, row: Row) => boolean,
): AsyncGenerator<readonly PackedText[]> {
  let texts: PackedText[] = [];
  let tokens = 0;
  for await (const rows of corpus.rows()) {
    for (const row of rows) {
      if (row.kind === "bad") continue;
      const slot = table.find(hashOf(row.text));
      // A row that was added to the file since the check waits for the next run.
      if (slot < 0 || !take(slot, row)) continue;
      const bound = bounds.charged(row.text);
      if (texts.length > 0 && (texts.length === limits.texts || tokens + bound > limits.tokens())) {
        yield texts;
        texts = [];
        tokens = 0;
      }
      texts.push({ slot, row, bound });
      tokens += bound;
    }
  }
  if (texts.length > 0) yield texts;
}
