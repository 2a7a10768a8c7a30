// GET /v1/account/export: everything that is kept about an account, as one JSON document. It is read and written page
// by page, so that memory is bounded by a page and not by the account's history. It holds no secrets; files are listed
// and read at /v1/files. If a page fails half-way, the body breaks off and is not valid JSON.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { TransactionsPage } from "../../account/views.ts";
import type { Context } from "../../context.ts";
import { waitUntilOf } from "../../context.ts";
import { monthStartMs } from "../../ledger/periods.ts";
import { acted } from "../../middleware/acted.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { ALERT } from "../alerts.ts";
import { seconds, unixSeconds } from "../answers.ts";
import { KEY, keyAnswer } from "../keys/key-fields.ts";
import type { Route } from "../route.ts";
import { streamed } from "../streamed.ts";
import { usagePages } from "../usage/usage-window.ts";
import { resultAnswer } from "../usage/usage.ts";
import { WEBHOOK } from "../webhooks.ts";
import { BOOKS } from "./account.ts";
import { TRANSACTION } from "./transactions.ts";
import type { AccountId } from "../../../shared/ids.ts";

const TRANSACTIONS_A_PAGE = 500;
const AUDIT_A_PAGE = 500;
/** Days of usage per read. The history keeps hours for 35 days, days for 400, and months beyond. */
const USAGE_DAYS_A_PAGE = 31;

export const EXPORT_ACCOUNT: Route = {
  method: "get",
  path: "/v1/account/export",
  id: "exportAccount",
  tag: "Account",
  summary: "Everything that is kept about the account, without secrets",
  description: "Books, keys, alerts, webhooks, statement, usage by day and the audit log. Files are read by /v1/files.",
  auth: "key",
  scope: "account:write",
  answers: {
    200: {
      description: "One document, written as it is read.",
      name: "AccountExport",
      schema: z.object({
        object: z.literal("account.export"),
        exported_at: unixSeconds,
        account: BOOKS.schema,
        keys: z.array(z.unknown()),
        alerts: z.array(z.unknown()),
        webhooks: z.array(z.unknown()),
        transactions: z.array(z.unknown()),
        usage: z.array(z.unknown()),
        audit: z.array(z.unknown()),
      }),
      example: {
        object: "account.export",
        exported_at: 1_790_000_000,
        account: BOOKS.example,
        keys: [KEY.example],
        alerts: [],
        webhooks: [],
        transactions: [],
        usage: [],
        audit: [],
      },
    },
  },
  handler: exportAccount,
};

async function exportAccount(c: Context, { accountId }: Caller): Promise<Response> {
  c.header("content-type", "application/json; charset=utf-8");
  c.header("content-disposition", `attachment; filename="${accountId}.json"`);
  return streamed(c, documentOf(c, accountId));
}

async function* documentOf(c: Context, id: AccountId): AsyncGenerator<string> {
  const stub = () => accountStub(c.env, id);
  await c.get("services").wallet.report(id, waitUntilOf(c));
  const account = acted(await stub().getAccount());
  yield `{"object":"account.export","exported_at":${seconds(Date.now())},"account":${JSON.stringify(BOOKS.of(account))}`;
  yield `,"keys":${JSON.stringify(acted(await stub().listKeys()).map((key) => keyAnswer(key, c.get("services").models)))}`;
  yield `,"alerts":${JSON.stringify(acted(await stub().listAlerts()).map(ALERT.of))}`;
  yield `,"webhooks":${JSON.stringify(acted(await stub().listWebhooks()).map(WEBHOOK.of))}`;
  yield* list("transactions", transactions(c, id));
  yield* list("usage", usage(c, id, account.createdAtMs));
  yield* list("audit", auditRows(c, id));
  yield "}";
}

async function* list(name: string, items: AsyncGenerator<readonly object[]>): AsyncGenerator<string> {
  yield `,"${name}":[`;
  let first = true;
  for await (const page of items) {
    if (page.length === 0) continue;
    const text = page.map((item) => JSON.stringify(item)).join(",");
    yield first ? text : `,${text}`;
    first = false;
  }
  yield "]";
}

/** Newest first. */
async function* transactions(c: Context, id: AccountId): AsyncGenerator<readonly object[]> {
  let before: number | undefined;
  do {
    const page: TransactionsPage = acted(await accountStub(c.env, id).transactions(before, TRANSACTIONS_A_PAGE));
    yield page.lines.map(TRANSACTION.of);
    before = page.before;
  } while (before !== undefined);
}

/** By day, model, key and tier, oldest first, without empty days. */
async function* usage(c: Context, id: AccountId, startMs: number): AsyncGenerator<readonly object[]> {
  // Old usage is kept by month, at the month's first day, which may lie before the account's own.
  const query = {
    startMs: monthStartMs(startMs),
    endMs: Date.now() + 1,
    width: "1d",
    groupBy: ["model", "key", "tier"],
    limit: USAGE_DAYS_A_PAGE,
  } as const;
  for await (const { buckets } of usagePages(c, id, query)) {
    yield buckets.flatMap(({ startMs: from, endMs: to, results }) =>
      results.map((result) => ({ start_time: from / 1000, end_time: to / 1000, ...resultAnswer(result) })),
    );
  }
}

/** Newest first. */
async function* auditRows(c: Context, id: AccountId): AsyncGenerator<readonly object[]> {
  let before: number | undefined;
  for (;;) {
    const rows = await accountStub(c.env, id).auditLog(before, AUDIT_A_PAGE);
    yield rows.map(({ atMs, actor, action, facts }) => ({ at: seconds(atMs), actor, action, facts }));
    if (rows.length < AUDIT_A_PAGE) return;
    before = rows.at(-1)?.id;
  }
}
