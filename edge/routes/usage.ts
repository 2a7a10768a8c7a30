// GET /v1/usage: the ledger's figures in calendar buckets (UTC), as JSON or CSV. They add up to the ledger to the
// nano-dollar.

import { accountStub } from "../account/account-stub.ts";
import { BUCKET_WIDTHS, GROUPINGS } from "../ledger/usage-query.ts";
import type { BucketWidth, UsagePage, UsageQuery, UsageResult } from "../ledger/usage-query.ts";
import type { Context } from "../context.ts";
import { authorize } from "../middleware/authorize.ts";
import { acted } from "../middleware/acted.ts";
import { readChoices, readLimit } from "./query.ts";
import { csvOfPage, csvOfPeriod } from "./usage-csv.ts";
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
  const query: UsageQuery = {
    ...readWindow(c, DEFAULT_SPAN_MS[width]),
    width,
    groupBy: readChoices(c, "group_by", GROUPINGS),
    limit: readLimit(c, BUCKETS_MAX, DEFAULT_BUCKETS[width]),
  };
  const isPage = c.req.query("limit") !== undefined || c.req.query("page") !== undefined;
  if (format === "csv" && !isPage) return csvOfPeriod(c, accountId, query);
  const answer: UsagePage = acted(await accountStub(c.env, accountId).usage(query));
  return format === "csv" ? csvOfPage(c, answer) : c.json(jsonAnswer(answer));
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

function readFormat(c: Context): "json" | "csv" {
  const format = c.req.query("format") ?? "json";
  if (format === "json" || format === "csv") return format;
  throw wrongValue("format", "json or csv", format);
}
