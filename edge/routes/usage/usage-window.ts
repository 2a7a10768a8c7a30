// The span of usage that a query asks for, its pages, and a page of buckets in an answer: shared by /v1/usage, OpenAI's
// two routes and the export.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { Context } from "../../context.ts";
import type { BucketWidth, UsagePage, UsageQuery, UsageResult } from "../../ledger/usage-query.ts";
import { acted } from "../../middleware/acted.ts";
import type { Parameter } from "../../openapi/operation.ts";
import { queryText } from "../../openapi/parameters.ts";
import { unixSeconds } from "../answers.ts";
import { readCursor, readInteger, readLimit } from "../query.ts";
import { apiError } from "../../../shared/errors.ts";
import type { AccountId } from "../../../shared/ids.ts";
import { wrongValue } from "../../../shared/schemas/fields.ts";

/** The year 2100: calendars reach no further. */
const UNIX_SECONDS_MAX = 4_102_444_800;

/** The query of a route over buckets. `more`: its other parameters. */
export const bucketParameters = (
  counts: Readonly<Record<string, BucketCount>>,
  groupings: readonly string[],
  startRequired: boolean,
  ...more: readonly Parameter[]
): readonly Parameter[] => [
  {
    name: "start_time",
    in: "query",
    description: "Unix seconds.",
    required: startRequired,
    schema: { type: "integer", minimum: 0, maximum: UNIX_SECONDS_MAX },
  },
  {
    name: "end_time",
    in: "query",
    description: "Unix seconds, exclusive; now unless told.",
    schema: { type: "integer", minimum: 0, maximum: UNIX_SECONDS_MAX },
  },
  choiceParameter("bucket_width", Object.keys(counts), false),
  choiceParameter("group_by", groupings, true),
  ...more,
  bucketLimitParameter(counts),
  queryText("page", "`next_page` of the page before."),
];

export const choiceParameter = (name: string, known: readonly string[], several: boolean): Parameter => ({
  name,
  in: "query",
  description: several ? "Several are allowed." : "One of these.",
  schema: several ? { type: "array", items: { enum: known } } : { enum: known },
});

export interface UsageWindow {
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  readonly page?: number;
}

/** `start_time`, `end_time` (default: now), `page`. `spanMs`: the default span; undefined: a start is required. */
export function readWindow(c: Context, spanMs: number | undefined): UsageWindow {
  const page = readCursor(c, "page");
  const endMs = (readTime(c, "end_time") ?? Math.ceil((Date.now() + 1) / 1000)) * 1000;
  const start = readTime(c, "start_time");
  if (start === undefined && spanMs === undefined)
    throw apiError("missing_field", "`start_time` is missing: it must be unix seconds.", "start_time");
  const startMs = (start ?? Math.max(0, Math.floor((endMs - 1 - (spanMs ?? 0)) / 1000))) * 1000;
  if (startMs >= endMs) {
    const end = c.req.query("end_time") === undefined ? "now, the default of `end_time`" : "`end_time`";
    throw wrongValue("start_time", `before ${end}`, startMs / 1000);
  }
  return { startMs, endMs, ...(page === undefined ? {} : { page }) };
}

function readTime(c: Context, name: string): number | undefined {
  const what = `unix seconds, at most ${UNIX_SECONDS_MAX}`;
  const time = readInteger(c, name, what);
  if (time === undefined || time <= UNIX_SECONDS_MAX) return time;
  const inSeconds = Math.floor(time / 1000);
  const isMilliseconds = inSeconds >= UNIX_SECONDS_MAX / 10 && inSeconds <= UNIX_SECONDS_MAX;
  throw wrongValue(name, isMilliseconds ? `${what} (these look like milliseconds: send ${inSeconds})` : what, time);
}

/** The most and the default number of buckets in an answer. */
interface BucketCount {
  readonly max: number;
  readonly fallback: number;
}

function bucketLimitParameter(counts: Readonly<Record<string, BucketCount>>): Parameter {
  const rules = Object.entries(counts).map(
    ([width, { max, fallback }]) => `1 to ${max} of \`${width}\`, ${fallback} unless told`,
  );
  const maximum = Math.max(...Object.values(counts).map(({ max }) => max));
  return {
    name: "limit",
    in: "query",
    description: `Buckets: ${rules.join("; ")}.`,
    schema: { type: "integer", minimum: 1, maximum },
  };
}

/** `bucket_width` (default: a day) and `limit`. */
export function readBuckets<Width extends BucketWidth>(
  c: Context,
  counts: Readonly<Record<Width, BucketCount>>,
): { readonly width: Width; readonly limit: number } {
  const width = c.req.query("bucket_width") ?? "1d";
  if (!isWidth(width, counts)) throw wrongValue("bucket_width", `one of ${Object.keys(counts).join(", ")}`, width);
  const { max, fallback } = counts[width];
  return { width, limit: readLimit(c, max, fallback) };
}

function isWidth<Width extends string>(text: string, counts: Readonly<Record<Width, BucketCount>>): text is Width {
  return Object.hasOwn(counts, text);
}

/** All pages of `query` from its first on, at least one, each read on demand. */
export async function* usagePages(
  c: Context,
  accountId: AccountId,
  query: UsageQuery,
): AsyncGenerator<UsagePage, undefined> {
  let page: number | undefined;
  do {
    const answer: UsagePage = acted(
      await accountStub(c.env, accountId).usage({ ...query, ...(page === undefined ? {} : { page }) }),
    );
    yield answer;
    page = answer.nextPage;
  } while (page !== undefined);
  return undefined;
}

export const bucketsSchema = <Result extends z.ZodType, More extends z.ZodRawShape>(result: Result, more: More) =>
  z.object({
    object: z.literal("page"),
    data: z.array(
      z.object({
        object: z.literal("bucket"),
        start_time: unixSeconds,
        end_time: unixSeconds,
        results: z.array(result),
      }),
    ),
    has_more: z.boolean(),
    next_page: z.nullable(z.string()),
    ...more,
  });

export const NO_BUCKETS = { object: "page", data: [], has_more: false, next_page: null };

/** Buckets in time order; `resultOf` makes each result. */
export function bucketsAnswer(page: UsagePage, resultOf: (result: UsageResult) => object) {
  return {
    object: "page",
    data: page.buckets.map((bucket) => ({
      object: "bucket",
      start_time: bucket.startMs / 1000,
      end_time: bucket.endMs / 1000,
      results: bucket.results.map(resultOf),
    })),
    has_more: page.nextPage !== undefined,
    next_page: page.nextPage === undefined ? null : String(page.nextPage),
  };
}
