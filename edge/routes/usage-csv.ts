// Usage as CSV: the whole period, streamed page by page, or the one page that `limit` or `page` asks for. A row per bucket
// and group; buckets without usage have none.

import { accountStub } from "../account/account-stub.ts";
import type { UsagePage, UsageQuery } from "../ledger/usage-query.ts";
import { monthStartMs } from "../ledger/periods.ts";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { acted } from "../middleware/acted.ts";
import type { AccountId } from "../../shared/ids.ts";
import type { Cell } from "./csv.ts";
import { csvOf, csvRows } from "./csv.ts";

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

/** Buckets, most of them empty, in one read of the account: a week of minutes. */
const BUCKETS_A_READ = 10_080;

/** Every bucket of the period in which the account can have usage. What fails before the first row is an error's answer. */
export async function csvOfPeriod(c: Context, accountId: AccountId, query: UsageQuery): Promise<Response> {
  const stub = () => accountStub(c.env, accountId);
  const { createdAtMs } = acted(await stub().getAccount());
  // History that was folded to months stands at a month's start, which may lie before the account's own.
  const startMs = Math.max(query.startMs, monthStartMs(createdAtMs));
  const endMs = Math.min(query.endMs, Math.max(Date.now() + 1, startMs + 1));
  const read = async (page: number | undefined): Promise<UsagePage> =>
    acted(
      await stub().usage({
        ...query,
        startMs,
        endMs,
        limit: BUCKETS_A_READ,
        ...(page === undefined ? {} : { page }),
      }),
    );
  const first = await read(undefined);
  nameFile(c);
  if (first.nextPage === undefined || c.req.method === "HEAD") return c.body(csvOf(COLUMNS, rowsOf(first)));
  const { readable, writable } = new IdentityTransformStream();
  waitUntilOf(c)(writeAll(first, read, writable.getWriter()));
  return c.body(readable);
}

/** A client that goes ends the work: a write to its stream fails. One that reads on sees the stream break off. */
async function writeAll(
  first: UsagePage,
  read: (page: number) => Promise<UsagePage>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
): Promise<void> {
  const encoder = new TextEncoder();
  try {
    await writer.write(encoder.encode(csvOf(COLUMNS, rowsOf(first))));
    for (let next = first.nextPage; next !== undefined;) {
      const page = await read(next);
      const rows = csvRows(rowsOf(page));
      if (rows !== "") await writer.write(encoder.encode(rows));
      next = page.nextPage;
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
  }
}

/** One page; the next is a `Link` (RFC 8288). */
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
