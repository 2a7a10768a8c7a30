// The operator's totals over all accounts, from what their objects reported (every six hours while they spend, and when
// the operator reads an account): cheap to read, and as old as `oldestReportMs` says.

import type { Directory } from "./directory.ts";
import { withDirectory } from "./directory.ts";
import { must } from "../../shared/assert.ts";

export interface Stats {
  readonly accounts: { readonly active: number; readonly suspended: number; readonly deleted: number };
  readonly chargedNanoUsd: number;
  /** Work that was done and could not be charged. */
  readonly writtenOffNanoUsd: number;
  /** The most that isolates that died can have left unreported. */
  readonly lostBoundNanoUsd: number;
  /** The times of the oldest and newest summed reports; null: none yet. */
  readonly oldestReportMs: number | null;
  readonly newestReportMs: number | null;
  /** How many people asked for a model that is not served yet. */
  readonly wants: readonly { readonly model: string; readonly count: number }[];
}

interface Sums {
  readonly active: number | null;
  readonly suspended: number | null;
  readonly deleted: number | null;
  readonly charged: number | null;
  readonly written_off: number | null;
  readonly lost: number | null;
  readonly oldest: number | null;
  readonly newest: number | null;
}

export async function readStats(directory: Directory): Promise<Stats> {
  const [sums, wants] = await withDirectory(() =>
    Promise.all([
      directory
        .prepare(
          `SELECT sum(status = 'active') AS active, sum(status = 'suspended') AS suspended,
            sum(status IN ('deleting', 'deleted')) AS deleted, sum(charged_nano_usd) AS charged,
            sum(written_off_nano_usd) AS written_off, sum(lost_bound_nano_usd) AS lost,
            min(reported_at_ms) AS oldest, max(reported_at_ms) AS newest FROM accounts`,
        )
        .first<Sums>(),
      directory
        .prepare("SELECT model, count(*) AS count FROM wants GROUP BY model ORDER BY count DESC, model LIMIT 100")
        .all<{ model: string; count: number }>(),
    ]),
  );
  const row = must(sums, "the row of sums");
  return {
    accounts: { active: row.active ?? 0, suspended: row.suspended ?? 0, deleted: row.deleted ?? 0 },
    chargedNanoUsd: row.charged ?? 0,
    writtenOffNanoUsd: row.written_off ?? 0,
    lostBoundNanoUsd: row.lost ?? 0,
    oldestReportMs: row.oldest,
    newestReportMs: row.newest,
    wants: wants.results,
  };
}
