// GET /admin/audit: what operators did, newest first.

import * as z from "zod";
import type { Context } from "../../context.ts";
import { listAudit } from "../../directory/audit.ts";
import { count, seconds, unixSeconds } from "../answers.ts";
import { limitParameter, readLimit } from "../query.ts";
import type { Route } from "../route.ts";
import { CURSOR, cursorPage, cursorPageSchema, readCursor, unknownCursor } from "./cursor-list.ts";

const ROWS_MAX = 200;
const ROWS = 50;

const auditEntrySchema = z.object({
  id: count,
  object: z.literal("audit_entry"),
  at: z.nullable(unixSeconds),
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  facts: z.record(z.string(), z.unknown()),
  outcome: z.nullable(z.string()),
});

export const AUDIT: Route = {
  method: "get",
  path: "/admin/audit",
  id: "adminAudit",
  tag: "Operator",
  summary: "What operators did, newest first",
  auth: "operator",
  parameters: [limitParameter(ROWS_MAX, ROWS), CURSOR],
  answers: {
    200: {
      description: "Entries.",
      name: "Audit",
      schema: cursorPageSchema(auditEntrySchema),
      example: cursorPage([], undefined),
    },
  },
  handler: getAudit,
};

async function getAudit(c: Context): Promise<Response> {
  const page = await listAudit(c.env.DIRECTORY, readCursor(c), readLimit(c, ROWS_MAX, ROWS));
  if (page === undefined) throw unknownCursor();
  const data = page.rows.map((row) => ({
    id: row.id,
    object: "audit_entry",
    at: seconds(row.atMs),
    actor: row.actor,
    action: row.action,
    target: row.target,
    facts: row.facts,
    outcome: row.outcome,
  }));
  return c.json(cursorPage(data, page.next));
}
