// The directory's rows for a backup, table by table and page by page, and back. Tables that only monitor (canary,
// faults) are left out.

import * as z from "zod";
import type { Directory } from "./directory.ts";
import { withDirectory } from "./directory.ts";

const ROWS_A_PAGE = 500;
/** Each table, the order of its pages, and their rows: one of `canaries` may have 300 KB. */
const TABLES = [
  ["accounts", "id", ROWS_A_PAGE],
  ["models", "id", ROWS_A_PAGE],
  ["identities", "provider, subject", ROWS_A_PAGE],
  ["wants", "model, person", ROWS_A_PAGE],
  ["canaries", "model, position", 5],
  ["audit", "id", ROWS_A_PAGE],
] as const;
const NAME = /^[a-z][a-z0-9_]*$/;

export const directoryRowsSchema = z.strictObject({
  table: z.enum(TABLES.map(([table]) => table)),
  rows: z.array(z.record(z.string().regex(NAME), z.union([z.string(), z.number(), z.null()]))),
});
export type DirectoryRows = z.output<typeof directoryRowsSchema>;

/** All rows, a page at a time. Throws `directory_unavailable`. */
export async function* directoryPages(directory: Directory): AsyncGenerator<DirectoryRows> {
  for (const [table, order, rowsAPage] of TABLES) {
    for (let offset = 0; ; offset += rowsAPage) {
      const { results } = await withDirectory(() =>
        directory
          .prepare(`SELECT * FROM ${table} ORDER BY ${order} LIMIT ? OFFSET ?`)
          .bind(rowsAPage, offset)
          .all<DirectoryRows["rows"][number]>(),
      );
      if (results.length > 0) yield { table, rows: results };
      if (results.length < rowsAPage) break;
    }
  }
}

/** Adds rows; existing ones are not changed. Throws `directory_unavailable`. */
export async function restoreDirectoryRows(directory: Directory, { table, rows }: DirectoryRows): Promise<void> {
  if (rows.length === 0) return;
  await withDirectory(() =>
    directory.batch(
      rows.map((row) => {
        const columns = Object.keys(row);
        const places = columns.map(() => "?").join(", ");
        return directory
          .prepare(`INSERT OR IGNORE INTO ${table} (${columns.join(", ")}) VALUES (${places})`)
          .bind(...Object.values(row));
      }),
    ),
  );
}

/** Ids of undeleted accounts after `after`, in order. Throws `directory_unavailable`. */
export async function accountIdsAfter(directory: Directory, after: string, limit: number): Promise<readonly string[]> {
  const { results } = await withDirectory(() =>
    directory
      .prepare("SELECT id FROM accounts WHERE id > ? AND status <> 'deleted' ORDER BY id LIMIT ?")
      .bind(after, limit)
      .all<{ id: string }>(),
  );
  return results.map(({ id }) => id);
}
