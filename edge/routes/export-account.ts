// GET /v1/account/export: everything that is kept about an account, as one JSON document, read and written page by page
// so that its size is bounded by a page, not by the account's history. Secrets are not in it; files are listed by
// /v1/files and read there. Should a page fail in the middle, the body breaks off: it is no JSON then.

import { accountStub } from "../account/account-stub.ts";
import type { TransactionsPage } from "../account/views.ts";
import type { UsagePage } from "../ledger/usage-query.ts";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { authorize } from "../middleware/authorize.ts";
import { acted } from "../middleware/acted.ts";
import { booksAnswer, transactionAnswer } from "./account.ts";
import { alertAnswer } from "./alerts.ts";
import { keyAnswer, seconds } from "./key-fields.ts";
import { resultAnswer } from "./usage.ts";
import { webhookAnswer } from "./webhooks.ts";
import type { AccountId } from "../../shared/ids.ts";

const TRANSACTIONS_A_PAGE = 500;
const AUDIT_A_PAGE = 500;
/** Days of usage in one read: history keeps hours for 35 days, days for 400, months beyond. */
const USAGE_DAYS_A_PAGE = 31;

export async function exportAccount(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "account:write");
  c.header("content-type", "application/json; charset=utf-8");
  c.header("content-disposition", `attachment; filename="${accountId}.json"`);
  // Nobody would read the stream, and its writer would wait for them.
  if (c.req.method === "HEAD") return c.body(null);
  const waitUntil = waitUntilOf(c);
  await c.get("services").wallet.report(accountId, waitUntil);
  const stream = new TransformStream<Uint8Array, Uint8Array>();
  const writer = stream.writable.getWriter();
  waitUntil(writeAll(c, accountId, writer));
  return c.body(stream.readable);
}

/** A client that goes ends the work: a write to its stream fails. */
async function writeAll(c: Context, id: AccountId, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
  const encoder = new TextEncoder();
  try {
    for await (const text of documentOf(c, id)) await writer.write(encoder.encode(text));
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
  }
}

async function* documentOf(c: Context, id: AccountId): AsyncGenerator<string> {
  const stub = () => accountStub(c.env, id);
  const account = acted(await stub().getAccount());
  yield `{"object":"account.export","exported_at":${seconds(Date.now())},"account":${JSON.stringify(booksAnswer(account))}`;
  yield `,"keys":${JSON.stringify(acted(await stub().listKeys()).map((key) => keyAnswer(key, c.get("services").models)))}`;
  yield `,"alerts":${JSON.stringify(acted(await stub().listAlerts()).map(alertAnswer))}`;
  yield `,"webhooks":${JSON.stringify(acted(await stub().listWebhooks()).map(webhookAnswer))}`;
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
    yield page.lines.map(transactionAnswer);
    before = page.before;
  } while (before !== undefined);
}

/** By day, model, key and tier, oldest first; days without usage are left out. */
async function* usage(c: Context, id: AccountId, startMs: number): AsyncGenerator<readonly object[]> {
  // History that was folded to months stands at a month's start, which may lie before the account's own.
  const start = new Date(startMs);
  const query = {
    startMs: Date.UTC(start.getUTCFullYear(), start.getUTCMonth()),
    endMs: Date.now() + 1,
    width: "1d",
    groupBy: ["model", "key", "tier"],
    limit: USAGE_DAYS_A_PAGE,
  } as const;
  let page: number | undefined;
  do {
    const answer: UsagePage = acted(
      await accountStub(c.env, id).usage({ ...query, ...(page === undefined ? {} : { page }) }),
    );
    yield answer.buckets.flatMap((bucket) =>
      bucket.results.map((result) => ({
        start_time: bucket.startMs / 1000,
        end_time: bucket.endMs / 1000,
        ...resultAnswer(result),
      })),
    );
    page = answer.nextPage;
  } while (page !== undefined);
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
