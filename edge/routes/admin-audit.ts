// GET /admin/audit: what operators did, newest first.

import type { Context } from "../context.ts";
import { listAudit } from "../directory/audit.ts";
import { seconds } from "./answers.ts";
import { readLimit, readOpaqueCursor, unknownCursor } from "./query.ts";

const ROWS_MAX = 200;

export async function getAudit(c: Context): Promise<Response> {
  const page = await listAudit(c.env.DIRECTORY, readOpaqueCursor(c, "cursor"), readLimit(c, ROWS_MAX, 50));
  if (page === undefined) throw unknownCursor("cursor");
  return c.json({
    object: "list",
    data: page.rows.map((row) => ({
      id: row.id,
      object: "audit_entry",
      at: seconds(row.atMs),
      actor: row.actor,
      action: row.action,
      target: row.target,
      facts: row.facts,
      outcome: row.outcome,
    })),
    has_more: page.next !== undefined,
    next_cursor: page.next ?? null,
  });
}
