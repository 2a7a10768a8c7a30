// The canary's record in the directory: one row per day for the status page, and the last call. Written in one batch.

import type { Directory } from "../directory/directory.ts";
import { withDirectory } from "../directory/directory.ts";
import type { ProbeResult } from "./probe.ts";

const DAY_MS = 86_400_000;
const DAYS_SHOWN = 90;

export interface CanaryLast {
  readonly atMs: number;
  readonly latencyMs: number;
  /** Why the call failed; null: it was served. */
  readonly reason: string | null;
  readonly failuresInRow: number;
}

export interface CanaryDay {
  /** UTC, `2026-11-29`. */
  readonly day: string;
  readonly succeeded: number;
  readonly failed: number;
}

/** Records one call; returns how many had failed in a row before it, and with it. Throws `directory_unavailable`. */
export async function recordCanary(
  directory: Directory,
  result: ProbeResult,
  nowMs: number,
): Promise<{ readonly before: number; readonly now: number }> {
  const failed = result.reason === undefined ? 0 : 1;
  const rows = await withDirectory(() =>
    directory.batch<{ failures_in_row: number }>([
      directory.prepare("SELECT failures_in_row FROM canary_last"),
      directory
        .prepare(
          `INSERT INTO canary_days (day, succeeded, failed) VALUES (?1, ?2, ?3)
            ON CONFLICT (day) DO UPDATE SET succeeded = succeeded + ?2, failed = failed + ?3`,
        )
        .bind(dayOf(nowMs), 1 - failed, failed),
      directory
        .prepare(
          `INSERT INTO canary_last (id, at_ms, latency_ms, reason, failures_in_row) VALUES (1, ?1, ?2, ?3, ?4)
            ON CONFLICT (id) DO UPDATE SET at_ms = ?1, latency_ms = ?2, reason = ?3,
              failures_in_row = CASE ?4 WHEN 0 THEN 0 ELSE failures_in_row + 1 END`,
        )
        .bind(nowMs, result.latencyMs, result.reason ?? null, failed),
      directory.prepare("DELETE FROM canary_days WHERE day < ?").bind(dayOf(nowMs - DAYS_SHOWN * DAY_MS)),
    ]),
  );
  const before = rows[0]?.results[0]?.failures_in_row ?? 0;
  return { before, now: failed === 0 ? 0 : before + 1 };
}

/** The last call (undefined: none yet) and the days with calls, oldest first. Throws `directory_unavailable`. */
export async function readCanary(
  directory: Directory,
  nowMs: number,
): Promise<{ readonly last: CanaryLast | undefined; readonly days: readonly CanaryDay[] }> {
  const [last, days] = await withDirectory(() =>
    Promise.all([
      directory
        .prepare(
          "SELECT at_ms AS atMs, latency_ms AS latencyMs, reason, failures_in_row AS failuresInRow FROM canary_last",
        )
        .first<CanaryLast>(),
      directory
        .prepare("SELECT day, succeeded, failed FROM canary_days WHERE day > ? ORDER BY day")
        .bind(dayOf(nowMs - DAYS_SHOWN * DAY_MS))
        .all<CanaryDay>(),
    ]),
  );
  return { last: last ?? undefined, days: days.results };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
