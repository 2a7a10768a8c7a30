// The first pass over a corpus, before anything is sent: it checks every row, counts and shows bad ones, gives texts
// their slots, and adds up what is new.

import type { Bounds } from "./service.ts";
import type { BadRow, Corpus, Row } from "./rows/row.ts";
import { hashOf } from "./rows/row.ts";
import type { TextTable } from "./text-table.ts";
import { SEEN } from "./text-table.ts";

export interface Scan {
  /** Rows with a text. */
  readonly rows: number;
  readonly bad: number;
  /** The first bad rows. */
  readonly firstBad: readonly BadRow[];
  readonly distinct: number;
  /** Distinct texts that the store does not have. */
  readonly fresh: number;
  /** An upper bound of their tokens, each text cut at the context. */
  readonly freshBound: number;
  /** The same sum over only those texts that may be over the context. */
  readonly longBound: number;
  /** "text": some id is a string; "integer": all are numbers. */
  readonly ids: "text" | "integer";
}

const BAD_SHOWN = 10;

export async function scan(corpus: Corpus, table: TextTable, bounds: Bounds): Promise<Scan> {
  let [rows, bad, distinct, fresh, freshBound, longBound] = [0, 0, 0, 0, 0, 0];
  let ids: Scan["ids"] = "integer";
  const firstBad: BadRow[] = [];
  const take = ({ text, id }: Row): void => {
    rows += 1;
    if (typeof id === "string") ids = "text";
    const slot = table.add(hashOf(text));
    if (table.has(slot, SEEN)) return;
    table.set(slot, SEEN);
    distinct += 1;
    if (table.record(slot) !== undefined) return;
    fresh += 1;
    const tokens = bounds.tokens(text);
    freshBound += Math.min(tokens, bounds.contextTokens);
    if (tokens > bounds.contextTokens) longBound += Math.min(tokens, bounds.contextTokens);
  };
  for await (const found of corpus.rows()) {
    for (const row of found) {
      if (row.kind === "row") take(row);
      else {
        bad += 1;
        if (firstBad.length < BAD_SHOWN) firstBad.push(row);
      }
    }
  }
  return { rows, bad, firstBad, distinct, fresh, freshBound, longBound, ids };
}
