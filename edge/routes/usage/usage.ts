// GET /v1/usage: the ledger's figures in calendar buckets (UTC), as JSON or CSV. They add up to the ledger to the
// nano-dollar.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { Context } from "../../context.ts";
import type { BucketWidth, UsagePage, UsageQuery, UsageResult } from "../../ledger/usage-query.ts";
import { GROUPINGS } from "../../ledger/usage-query.ts";
import { acted } from "../../middleware/acted.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { amountNanoUsd, count, unixSeconds } from "../answers.ts";
import { readChoices } from "../query.ts";
import type { Route } from "../route.ts";
import { csvOfPage, csvOfPeriod } from "./usage-csv.ts";
import {
  NO_BUCKETS,
  bucketParameters,
  bucketsAnswer,
  bucketsSchema,
  choiceParameter,
  readBuckets,
  readWindow,
} from "./usage-window.ts";
import { wrongValue } from "../../../shared/schemas/fields.ts";
import { TIERS } from "../../../shared/wire.ts";

const BUCKETS = {
  "1m": { max: 1440, fallback: 60 },
  "1h": { max: 1440, fallback: 24 },
  "1d": { max: 1440, fallback: 7 },
  "1mo": { max: 1440, fallback: 12 },
} as const;
/** The default span before `end_time`, whose bucket is the last one shown. */
const DEFAULT_SPAN_MS: Readonly<Record<BucketWidth, number>> = {
  "1m": 59 * 60_000,
  "1h": 23 * 3_600_000,
  "1d": 6 * 86_400_000,
  "1mo": 335 * 86_400_000,
};

const latency = z.nullable(z.number().nonnegative());
const resultSchema = z.object({
  model: z.nullable(z.string()),
  key_id: z.nullable(z.string()),
  tier: z.nullable(z.enum(TIERS)),
  requests: count,
  input_tokens: count,
  cached_tokens: count,
  cost_nano_usd: amountNanoUsd,
  saved_nano_usd: amountNanoUsd,
  errors: z.object({ "4xx": count, "5xx": count }),
  latency_ms: z.object({ p50: latency, p95: latency, p99: latency }),
});

export function resultAnswer(result: UsageResult): z.output<typeof resultSchema> {
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

export const USAGE: Route = {
  method: "get",
  path: "/v1/usage",
  id: "getUsage",
  tag: "Account",
  summary: "Usage in calendar buckets",
  description: "The ledger's own figures: they add up to the statement to the nano-dollar.",
  auth: "key",
  scope: "usage:read",
  parameters: bucketParameters(BUCKETS, GROUPINGS, false, choiceParameter("format", ["json", "csv"], false)),
  answers: {
    200: {
      description: "Buckets in order; as CSV, a row per bucket and group.",
      name: "Usage",
      schema: bucketsSchema(resultSchema, { fresh_as_of: unixSeconds }),
      example: { ...NO_BUCKETS, fresh_as_of: 1_790_000_000 },
      alternative: "text/csv",
    },
  },
  handler: getUsage,
};

async function getUsage(c: Context, { accountId }: Caller): Promise<Response> {
  const { width, limit } = readBuckets(c, BUCKETS);
  const format = readFormat(c);
  const query: UsageQuery = {
    ...readWindow(c, DEFAULT_SPAN_MS[width]),
    width,
    groupBy: readChoices(c, "group_by", GROUPINGS),
    limit,
  };
  const isPage = c.req.query("limit") !== undefined || c.req.query("page") !== undefined;
  if (format === "csv" && !isPage) return csvOfPeriod(c, accountId, query);
  const answer: UsagePage = acted(await accountStub(c.env, accountId).usage(query));
  return format === "csv" ? csvOfPage(c, answer) : c.json(jsonAnswer(answer));
}

function jsonAnswer(answer: UsagePage) {
  return { ...bucketsAnswer(answer, resultAnswer), fresh_as_of: Math.floor(answer.freshAsOfMs / 1000) };
}

function readFormat(c: Context): "json" | "csv" {
  const format = c.req.query("format") ?? "json";
  if (format === "json" || format === "csv") return format;
  throw wrongValue("format", "json or csv", format);
}
