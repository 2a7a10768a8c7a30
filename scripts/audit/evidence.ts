// What a bill is judged by, and what the judge finds.

import type { Books, MadeCall, Prices, Reading } from "./history.ts";
import type { Tier } from "../../shared/wire.ts";

export type FaultKind = "overspend" | "double" | "lost" | "wrong price" | "books";

export interface Fault {
  readonly kind: FaultKind;
  readonly what: string;
  /** The calls that it is about, or among which it has to be looked for. */
  readonly calls: readonly MadeCall[];
}

export interface Evidence {
  readonly made: readonly MadeCall[];
  readonly start: Books;
  readonly readings: readonly Reading[];
  readonly end: Books;
  readonly keyId: string;
  /** By model and tier. */
  readonly prices: ReadonlyMap<string, Readonly<Record<Tier, Prices>>>;
  /** How long after its answer a charge may be missing from the books. */
  readonly settleMs: number;
}
