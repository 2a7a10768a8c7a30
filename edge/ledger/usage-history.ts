// Turns reported lines into cells, statement lines and history. The isolate names the minute; the object moves it into
// the hour that is open by its own clock, so that no posted hour is ever reopened. Many cells move from the hot row
// into a segment. Alarms fold segments: minutes of yesterday to hours, hours after 35 days to days, days after 400 days
// to months. Nothing is ever divided or rounded: sums stay equal to the ledger.

import { assert } from "../../shared/assert.ts";
import type { KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import type { Ledger } from "./ledger.ts";
import { monthStartMs } from "./periods.ts";
import { MS_PER_HOUR } from "./statement.ts";
import { archiveCells, putSegments } from "./usage-segments.ts";
import type { LedgerStorage, SegmentLevel } from "./storage.ts";
import type { UsageLine } from "./types.ts";
import { UsageCells, decodeCells } from "./usage-cells.ts";
import type { UsageCell } from "./usage-cells.ts";

const MS_PER_MINUTE = 60_000;
const MS_PER_DAY = 86_400_000;
/** A line that is at most this late keeps its own minute. */
const LATE_MS_MAX = 10 * MS_PER_MINUTE;

/** Records the lines of one report. What was written off is taken from their costs, beginning with the first line. */
export function recordUsage(
  ledger: Ledger,
  keyId: KeyId,
  lines: readonly UsageLine[],
  money: { readonly reported: NanoUsd; readonly writtenOff: NanoUsd },
  nowMs: number,
): void {
  const sum = lines.reduce((total, line) => total + line.costNanoUsd, 0);
  assert(sum === money.reported, "the lines of a report add up to what it spent");
  let unpaid: number = money.writtenOff;
  for (const line of lines) {
    const startMs = minuteOf(line, nowMs);
    const lost = nanoUsd(Math.min(unpaid, line.costNanoUsd));
    unpaid -= lost;
    const costNanoUsd = nanoUsd(line.costNanoUsd - lost);
    const at = { atMs: startMs, keyId, model: line.model };
    ledger.statement.charge("charge", at, costNanoUsd, ledger.storage);
    ledger.statement.charge("write_off", at, lost, ledger.storage);
    ledger.cells.add({ startMs, keyId, model: line.model, tier: line.tier }, { ...line, costNanoUsd });
  }
  if (ledger.cells.size > ledger.settings.hotCellsMax) archiveCells(ledger.cells, ledger.storage, nowMs);
}

function minuteOf(line: UsageLine, nowMs: number): number {
  const earliest = Math.max(Math.floor(nowMs / MS_PER_HOUR) * MS_PER_HOUR, nowMs - LATE_MS_MAX);
  const said = Math.min(Math.max(line.minute * MS_PER_MINUTE, earliest), nowMs);
  return Math.floor(said / MS_PER_MINUTE) * MS_PER_MINUTE;
}

interface Fold {
  readonly from: SegmentLevel;
  readonly to: SegmentLevel;
  readonly afterMs: number;
  readonly startOf: (ms: number) => number;
}

const FOLDS: readonly Fold[] = [
  { from: "minute", to: "hour", afterMs: 25 * MS_PER_HOUR, startOf: floorTo(MS_PER_HOUR) },
  { from: "hour", to: "day", afterMs: 35 * MS_PER_DAY, startOf: floorTo(MS_PER_DAY) },
  { from: "day", to: "month", afterMs: 400 * MS_PER_DAY, startOf: monthStartMs },
];

/** The most segments that one alarm folds per level; more wait for the next alarm. */
const FOLD_SEGMENTS_MAX = 64;

/** Folds what is old enough. Returns whether more is waiting. */
export function foldHistory(storage: LedgerStorage, nowMs: number): boolean {
  let more = false;
  for (const { from, to, afterMs, startOf } of FOLDS) {
    const segments = storage.readSegmentsBefore(from, nowMs - afterMs, FOLD_SEGMENTS_MAX);
    if (segments.length === 0) continue;
    more ||= segments.length === FOLD_SEGMENTS_MAX;
    const folded = new UsageCells();
    for (const segment of segments) {
      for (const cell of decodeCells(JSON.parse(segment.body))) {
        folded.add({ ...cell, startMs: startOf(cell.startMs) }, cell);
      }
      storage.deleteSegment(segment.id);
    }
    putSegments(storage, to, folded.drain());
  }
  return more;
}

/** Every cell that starts in [startMs, endMs), from the history and the hot row. */
export function* cellsBetween(ledger: Ledger, startMs: number, endMs: number): Generator<UsageCell> {
  for (const segment of ledger.storage.readSegments(startMs, endMs)) {
    yield* within(decodeCells(JSON.parse(segment.body)), startMs, endMs);
  }
  yield* within(ledger.cells.values(), startMs, endMs);
}

function* within(cells: Iterable<UsageCell>, startMs: number, endMs: number): Generator<UsageCell> {
  for (const cell of cells) if (cell.startMs >= startMs && cell.startMs < endMs) yield cell;
}

function floorTo(spanMs: number): (ms: number) => number {
  return (ms) => Math.floor(ms / spanMs) * spanMs;
}
