// POST /v1/keys/report-leak: anybody who finds a key can have it revoked. The answer is the same for our keys, revoked
// ones and anything else, so it tells a finder nothing about a key.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { Context } from "../../context.ts";
import { clientAddress } from "../../context.ts";
import { AddressLimit } from "../../lib/address-limit.ts";
import { readJson } from "../../middleware/body.ts";
import type { Route } from "../route.ts";
import { parseKey } from "../../../shared/keys.ts";
import { parseBody, text } from "../../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 4096;
const REPORTS_PER_MINUTE = 30;
const reports = new AddressLimit(REPORTS_PER_MINUTE);

const reportSchema = z.strictObject({
  key: text("the leaked key").min(1, { error: "the leaked key" }).max(200, { error: "at most 200 characters" }),
});

export const REPORT_LEAK: Route = {
  method: "post",
  path: "/v1/keys/report-leak",
  id: "reportLeak",
  tag: "Keys",
  summary: "Have a key that leaked revoked",
  description: "Anybody who found it may report it. The answer is the same whether the key is ours or not.",
  auth: "none",
  body: { name: "ReportLeakRequest", schema: reportSchema, example: { key: "gr-…" } },
  answers: {
    202: {
      description: "Received.",
      name: "LeakReport",
      schema: z.object({ object: z.literal("leak_report"), received: z.literal(true) }),
      example: { object: "leak_report", received: true },
    },
  },
  errors: ["rate_limit_exceeded"],
  handler: reportLeak,
};

async function reportLeak(c: Context): Promise<Response> {
  reports.take(clientAddress(c));
  const body = parseBody(reportSchema, await readJson(c, BODY_BYTES_MAX));
  const key = await parseKey(body.key.trim(), await c.get("services").tagKeys);
  if (key !== undefined) await accountStub(c.env, key.accountId).reportLeak(key.secret, "leak report");
  return c.json({ object: "leak_report", received: true }, 202);
}
