// GET /v1/usage: the ledger's figures in calendar buckets (UTC). They add up to the ledger to the nano-dollar.

import { accountStub } from "../account-stub.ts";
import { BUCKET_WIDTHS, GROUPINGS } from "../account/usage-query.ts";
import type { BucketWidth, Grouping, UsagePage, UsageResult } from "../account/usage-query.ts";
import type { Context } from "../context.ts";
import { authorize } from "../middleware/authorize.ts";
import { readCursor, readInteger, readLimit } from "./query.ts";
import { must } from "../../shared/assert.ts";
import { apiError } from "../../shared/errors.ts";

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
  const width = readWidth(c.req.query("bucket_width"));
  const page = readCursor(c, "page");
  const endMs = (readInteger(c, "end_time", "unix seconds") ?? Math.ceil((Date.now() + 1) / 1000)) * 1000;
  const startMs =
    (readInteger(c, "start_time", "unix seconds") ?? Math.floor((endMs - 1 - DEFAULT_SPAN_MS[width]) / 1000)) * 1000;
  if (startMs >= endMs) throw apiError("invalid_value", "`start_time` must be before `end_time`.", "start_time");
  const answer: UsagePage = must(
    await accountStub(c.env, accountId).usage({
      startMs,
      endMs,
      width,
      groupBy: readGroupings(c),
      limit: readLimit(c, BUCKETS_MAX, DEFAULT_BUCKETS[width]),
      ...(page === undefined ? {} : { page }),
    }),
    "the account of a valid key",
  );
  return c.json({
    object: "page",
    data: answer.buckets.map((bucket) => ({
      object: "bucket",
      start_time: bucket.startMs / 1000,
      end_time: bucket.endMs / 1000,
      results: bucket.results.map(resultAnswer),
    })),
    has_more: answer.nextPage !== undefined,
    next_page: answer.nextPage === undefined ? null : String(answer.nextPage),
    fresh_as_of: Math.floor(answer.freshAsOfMs / 1000),
  });
}

function resultAnswer(result: UsageResult) {
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

function readWidth(value: string | undefined): BucketWidth {
  const width = BUCKET_WIDTHS.find((known) => known === (value ?? "1d"));
  if (width !== undefined) return width;
  throw apiError("invalid_value", `\`bucket_width\` must be one of ${BUCKET_WIDTHS.join(", ")}.`, "bucket_width");
}

/** `group_by=model,key` or repeated, with or without `[]`. */
function readGroupings(c: Context): readonly Grouping[] {
  const values = [...(c.req.queries("group_by") ?? []), ...(c.req.queries("group_by[]") ?? [])].flatMap((value) =>
    value.split(","),
  );
  return values.map((value) => {
    const grouping = GROUPINGS.find((known) => known === value);
    if (grouping !== undefined) return grouping;
    throw apiError("invalid_value", `\`group_by\` must be of ${GROUPINGS.join(", ")}.`, "group_by");
  });
}
