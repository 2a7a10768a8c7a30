// GET /admin/audit: the operators' actions, newest first.

import * as z from "zod";
import type { Context } from "../../context.ts";
import type { AuditRow } from "../../directory/audit.ts";
import { listAudit } from "../../directory/audit.ts";
import { count, exampleId, seconds, time } from "../answers.ts";
import { always, described, field } from "../../openapi/described.ts";
import { limitParameter, readLimit } from "../query.ts";
import type { Route } from "../route.ts";
import { CURSOR, cursorPage, cursorPageSchema, readCursor, unknownCursor } from "./cursor-list.ts";

const ROWS_MAX = 200;
const ROWS = 50;

const AUDIT_ENTRY = described<AuditRow>({
  id: field(count, ({ id }) => id, 1),
  object: always("audit_entry"),
  at: field(time, ({ atMs }) => seconds(atMs), 1_790_000_000),
  actor: field(z.string(), ({ actor }) => actor, "operator"),
  action: field(z.string(), ({ action }) => action, "grant"),
  target: field(z.string(), ({ target }) => target, exampleId("account")),
  facts: field(z.record(z.string(), z.unknown()), ({ facts }) => facts, {}),
  outcome: field(z.nullable(z.string()), ({ outcome }) => outcome, "ok"),
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
      schema: cursorPageSchema(AUDIT_ENTRY.schema),
      example: cursorPage([], undefined),
    },
  },
  handler: getAudit,
};

async function getAudit(c: Context): Promise<Response> {
  const page = await listAudit(c.env.DIRECTORY, readCursor(c), readLimit(c, ROWS_MAX, ROWS));
  if (page === undefined) throw unknownCursor();
  return c.json(cursorPage(page.rows.map(AUDIT_ENTRY.of), page.next));
}
