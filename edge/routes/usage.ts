// GET /v1/usage: the ledger's figures in calendar buckets (UTC), as JSON or CSV. They add up to the ledger to the
// nano-dollar.

import { accountStub } from "../account-stub.ts";
import { BUCKET_WIDTHS, GROUPINGS } from "../account/usage-query.ts";
import type { BucketWidth, UsagePage, UsageResult } from "../account/usage-query.ts";
import type { Context } from "../context.ts";
import { authorize } from "../middleware/authorize.ts";
import { acted } from "../middleware/acted.ts";
import type { Cell } from "./csv.ts";
import { csvOf } from "./csv.ts";
import { readChoices, readLimit } from "./query.ts";
import { bucketsAnswer, readWidth, readWindow } from "./usage-window.ts";
import { wrongValue } from "../../shared/schemas/fields.ts";

const BUCKETS_MAX = 1440;
const DEFAULT_BUCKETS: Readonly<Record<BucketWidth, number>> = { "1m": 60, "1h": 24, "1d": 7, "1mo": 12 };
/** How far before the end the first of the default buckets begins: the bucket of `end_time` is the last one shown. */
const DEFAULT_SPAN_MS: Readonly<Record<BucketWidth, number>> = {
  "1m": 59 * 60_000,
  "1h": 23 * 3_600_000,
  "1d": 6 * 86_400_000,
  "1mo": 335 * 86_400_000,
};

export async function getUsage(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "usage:read");
  const width = readWidth(c, BUCKET_WIDTHS);
  const format = readFormat(c);
  const answer: UsagePage = acted(
    await accountStub(c.env, accountId).usage({
      ...readWindow(c, DEFAULT_SPAN_MS[width]),
      width,
      groupBy: readChoices(c, "group_by", GROUPINGS),
      limit: readLimit(c, BUCKETS_MAX, DEFAULT_BUCKETS[width]),
    }),
  );
  return format === "csv" ? csvAnswer(c, answer) : c.json(jsonAnswer(answer));
}

function jsonAnswer(answer: UsagePage) {
  return { ...bucketsAnswer(answer, resultAnswer), fresh_as_of: Math.floor(answer.freshAsOfMs / 1000) };
}

export function resultAnswer(result: UsageResult) {
  return {
    model: result.model,
    key_id: result.keyId,
    tier: result.tier,
    requests: result.requests,
    input_tokens: result.tokens,
    cached_tokens: result.cachedTokens,
    cost_nano_usd: result.costNanoUsd,
    saved_nano_usd: result.savedNanoUsd,
    errors: { "4xx": result.errors4xx, "5xx": result.errors5xx },
    latency_ms: result.latencyMs,
  };
}

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

/** A row per bucket and group; buckets without usage have none. The next page is a `Link` (RFC 8288). */
function csvAnswer(c: Context, answer: UsagePage): Response {
  const rows = answer.buckets.flatMap(({ startMs, endMs, results }) =>
    results.map((result): Cell[] => [
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
  c.header("content-type", "text/csv; charset=utf-8; header=present");
  c.header("content-disposition", 'attachment; filename="usage.csv"');
  if (answer.nextPage !== undefined) {
    const next = new URL(c.req.url);
    next.searchParams.set("page", String(answer.nextPage));
    c.header("link", `<${next.pathname}${next.search}>; rel="next"`);
  }
  return c.body(csvOf(COLUMNS, rows));
}

function readFormat(c: Context): "json" | "csv" {
  const format = c.req.query("format") ?? "json";
  if (format === "json" || format === "csv") return format;
  throw wrongValue("format", "json or csv", format);
}
