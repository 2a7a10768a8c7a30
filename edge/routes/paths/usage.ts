// Usage, in our own shape and in OpenAI's.

import * as z from "zod";
import { BUCKET_WIDTHS, GROUPINGS } from "../../ledger/usage-query.ts";
import type { Operation, Parameter } from "../../openapi/operation.ts";
import { queryText } from "../../openapi/parameters.ts";
import { count, amountNanoUsd, unixSeconds } from "../answers.ts";
import { limitParameter } from "../query.ts";
import { UNIX_SECONDS_MAX } from "../usage-window.ts";
import { TIERS } from "../../../shared/wire.ts";

const tag = "Account";
const page = queryText("page", "`next_page` of the page before.");

const latency = z.nullable(z.number().nonnegative());
const usageResult = z.object({
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

const pageOf = <Result extends z.ZodType, More extends z.ZodRawShape>(result: Result, more: More) =>
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

const EMPTY_PAGE = { object: "page", data: [], has_more: false, next_page: null };

const times = (startRequired: boolean): readonly Parameter[] => [
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
];

const choices = (name: string, known: readonly string[], several: boolean): Parameter => ({
  name,
  in: "query",
  description: several ? "Several may be named." : "One of these.",
  schema: several ? { type: "array", items: { enum: known } } : { enum: known },
});

const usage: Operation = {
  method: "get",
  path: "/v1/usage",
  id: "getUsage",
  tag,
  summary: "Usage in calendar buckets",
  description: "The ledger's own figures: they add up to the statement to the nano-dollar.",
  auth: "key",
  parameters: [
    ...times(false),
    choices("bucket_width", BUCKET_WIDTHS, false),
    choices("group_by", GROUPINGS, true),
    choices("format", ["json", "csv"], false),
    limitParameter(1440, 7),
    page,
  ],
  answers: {
    200: {
      description: "Buckets in order; as CSV, a row per bucket and group.",
      name: "Usage",
      schema: pageOf(usageResult, { fresh_as_of: unixSeconds }),
      example: { ...EMPTY_PAGE, fresh_as_of: 1_790_000_000 },
      alternative: "text/csv",
    },
  },
  errors: ["invalid_value"],
};

const organizationUsage: Operation = {
  method: "get",
  path: "/v1/organization/usage/embeddings",
  id: "getOrganizationUsage",
  tag,
  summary: "Usage in OpenAI's shape",
  auth: "key",
  parameters: [
    ...times(true),
    choices("bucket_width", ["1m", "1h", "1d"], false),
    choices("group_by", ["project_id", "user_id", "api_key_id", "model"], true),
    limitParameter(1440, 7),
    page,
  ],
  answers: {
    200: {
      description: "OpenAI's page of embeddings usage.",
      name: "OrganizationUsage",
      schema: pageOf(
        z.object({
          object: z.literal("organization.usage.embeddings.result"),
          input_tokens: count,
          num_model_requests: count,
          project_id: z.null(),
          user_id: z.null(),
          api_key_id: z.nullable(z.string()),
          model: z.nullable(z.string()),
        }),
        {},
      ),
      example: EMPTY_PAGE,
    },
  },
  errors: ["invalid_value", "missing_field"],
};

const organizationCosts: Operation = {
  method: "get",
  path: "/v1/organization/costs",
  id: "getOrganizationCosts",
  tag,
  summary: "Costs in OpenAI's shape",
  auth: "key",
  parameters: [
    ...times(true),
    choices("bucket_width", ["1d"], false),
    choices("group_by", ["project_id", "line_item", "api_key_id"], true),
    limitParameter(180, 7),
    page,
  ],
  answers: {
    200: {
      description: "OpenAI's page of costs.",
      name: "OrganizationCosts",
      schema: pageOf(
        z.object({
          object: z.literal("organization.costs.result"),
          amount: z.object({ value: z.number(), currency: z.literal("usd") }),
          line_item: z.nullable(z.string()),
          project_id: z.null(),
          api_key_id: z.nullable(z.string()),
          quantity: z.nullable(count),
        }),
        {},
      ),
      example: EMPTY_PAGE,
    },
  },
  errors: ["invalid_value", "missing_field"],
};

export const USAGE_PATHS: readonly Operation[] = [usage, organizationUsage, organizationCosts];
