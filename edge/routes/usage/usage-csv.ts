// Usage as CSV: the whole period, streamed page by page, or one page by `limit` or `page`. A row a bucket and group;
// empty buckets have no row.

import { accountStub } from "../../account/account-stub.ts";
import type { Context } from "../../context.ts";
import { monthStartMs } from "../../ledger/periods.ts";
import type { UsagePage, UsageQuery } from "../../ledger/usage-query.ts";
import { acted } from "../../middleware/acted.ts";
import { streamed } from "../streamed.ts";
import type { Cell } from "./csv.ts";
import { csvOf, csvRows } from "./csv.ts";
import { usagePages } from "./usage-window.ts";
import { must } from "../../../shared/assert.ts";
import type { AccountId } from "../../../shared/ids.ts";

const COLUMNS = [
  "start_time",
  "end_time",
  "model",
  "key_id",
  "tier",
  "requests",
  "input_tokens",
  "cached_tokens",
  "cost_nano_usd",
  "saved_nano_usd",
  "errors_4xx",
  "errors_5xx",
  "latency_ms_p50",
  "latency_ms_p95",
  "latency_ms_p99",
];

/** Buckets per read of the account, most of them empty: a week of minutes. */
const BUCKETS_A_READ = 10_080;

/** Every bucket in which the account can have usage. A failure before the first row is answered as an error. */
export async function csvOfPeriod(c: Context, accountId: AccountId, query: UsageQuery): Promise<Response> {
  const { createdAtMs } = acted(await accountStub(c.env, accountId).getAccount());
  // Old usage is kept by month, at the month's first day, which may lie before the account's own.
  const startMs = Math.max(query.startMs, monthStartMs(createdAtMs));
  const endMs = Math.min(query.endMs, Math.max(Date.now() + 1, startMs + 1));
  const pages = usagePages(c, accountId, { ...query, startMs, endMs, limit: BUCKETS_A_READ });
  const first = must((await pages.next()).value, "the first page of usage");
  nameFile(c);
  const head = csvOf(COLUMNS, rowsOf(first));
  return first.nextPage === undefined ? c.body(head) : streamed(c, textOf(head, pages));
}

async function* textOf(head: string, others: AsyncIterable<UsagePage>): AsyncGenerator<string> {
  yield head;
  for await (const page of others) yield csvRows(rowsOf(page));
}

/** One page, with the next one as a `Link` (RFC 8288). */
export function csvOfPage(c: Context, page: UsagePage): Response {
  nameFile(c);
  if (page.nextPage !== undefined) {
    const next = new URL(c.req.url);
    next.searchParams.set("page", String(page.nextPage));
    c.header("link", `<${next.pathname}${next.search}>; rel="next"`);
  }
  return c.body(csvOf(COLUMNS, rowsOf(page)));
}

function nameFile(c: Context): void {
  c.header("content-type", "text/csv; charset=utf-8; header=present");
  c.header("content-disposition", 'attachment; filename="usage.csv"');
}

function rowsOf(page: UsagePage): Cell[][] {
  return page.buckets.flatMap(({ startMs, endMs, results }) =>
    results.map((result) => [
      new Date(startMs).toISOString(),
      new Date(endMs).toISOString(),
      result.model,
      result.keyId,
      result.tier,
      result.requests,
      result.tokens,
      result.cachedTokens,
      result.costNanoUsd,
      result.savedNanoUsd,
      result.errors4xx,
      result.errors5xx,
      result.latencyMs.p50,
      result.latencyMs.p95,
      result.latencyMs.p99,
    ]),
  );
}
