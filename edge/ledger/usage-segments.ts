// Packs usage cells into segments: many cells in one row.

import type { LedgerStorage, SegmentLevel } from "./storage.ts";
import type { UsageCell, UsageCells } from "./usage-cells.ts";
import { encodeCells } from "./usage-cells.ts";

/** The most cells in a segment: about 50 KB of JSON. */
const SEGMENT_CELLS_MAX = 500;
/** When the cells are surely old enough to be folded (usage-history.ts). */
const FOLD_AFTER_MS = 2 * 86_400_000;

/** Moves the hot row's cells into segments. */
export function archiveCells(cells: UsageCells, storage: LedgerStorage, nowMs: number): void {
  putSegments(storage, "minute", cells.drain());
  storage.wakeAt(nowMs + FOLD_AFTER_MS);
}

export function putSegments(storage: LedgerStorage, level: SegmentLevel, cells: UsageCell[]): void {
  cells.sort((a, b) => a.startMs - b.startMs);
  for (let from = 0; from < cells.length; from += SEGMENT_CELLS_MAX) {
    const part = cells.slice(from, from + SEGMENT_CELLS_MAX);
    const startMs = part[0]?.startMs ?? 0;
    const endMs = (part.at(-1)?.startMs ?? 0) + 1;
    storage.putSegment({ level, startMs, endMs, body: JSON.stringify(encodeCells(part)) });
  }
}
