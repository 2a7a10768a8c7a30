// GET /v1/organization/usage/embeddings and /v1/organization/costs: the ledger's figures in OpenAI's exact form, for
// tools that read OpenAI's (its SDK has a client for them). There are no projects and users here: grouping by one gives
// null, and a filter for one finds nothing. Source: OpenAI's API reference, Usage.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { Context } from "../../context.ts";
import type { BucketWidth, Grouping, UsagePage, UsageQuery } from "../../ledger/usage-query.ts";
import { acted } from "../../middleware/acted.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { count } from "../answers.ts";
import { readChoices, readList } from "../query.ts";
import { keyRoutes } from "../route.ts";
import type { UsageWindow } from "./usage-window.ts";
import { NO_BUCKETS, bucketParameters, bucketsAnswer, bucketsSchema, readBuckets, readWindow } from "./usage-window.ts";
import { nanoUsd, usdNumber } from "../../../shared/money.ts";

const EMBEDDINGS_BUCKETS = {
  "1m": { max: 1440, fallback: 60 },
  "1h": { max: 168, fallback: 24 },
  "1d": { max: 31, fallback: 7 },
} as const;
const COSTS_BUCKETS = { "1d": { max: 180, fallback: 7 } } as const;
const EMBEDDINGS_GROUPINGS = ["project_id", "user_id", "api_key_id", "model"] as const;
const COSTS_GROUPINGS = ["project_id", "line_item", "api_key_id"] as const;

export const ORGANIZATION = keyRoutes("Account", "usage:read", [
  {
    method: "get",
    path: "/v1/organization/usage/embeddings",
    id: "getOrganizationUsage",
    summary: "Usage in OpenAI's shape",
    parameters: bucketParameters(EMBEDDINGS_BUCKETS, EMBEDDINGS_GROUPINGS, true),
    answers: {
      200: {
        description: "OpenAI's page of embeddings usage.",
        name: "OrganizationUsage",
        schema: bucketsSchema(
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
        example: NO_BUCKETS,
      },
    },
    errors: ["missing_field"],
    handler: getEmbeddingsUsage,
  },
  {
    method: "get",
    path: "/v1/organization/costs",
    id: "getOrganizationCosts",
    summary: "Costs in OpenAI's shape",
    parameters: bucketParameters(COSTS_BUCKETS, COSTS_GROUPINGS, true),
    answers: {
      200: {
        description: "OpenAI's page of costs.",
        name: "OrganizationCosts",
        schema: bucketsSchema(
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
        example: NO_BUCKETS,
      },
    },
    errors: ["missing_field"],
    handler: getCosts,
  },
]);

async function getEmbeddingsUsage(c: Context, { accountId }: Caller): Promise<Response> {
  const groupBy = readChoices(c, "group_by", EMBEDDINGS_GROUPINGS);
  const page = await read(c, accountId, {
    ...readWindow(c, undefined),
    ...readBuckets(c, EMBEDDINGS_BUCKETS),
    groupBy: groupings(groupBy.includes("model"), groupBy.includes("api_key_id")),
  });
  return c.json(
    bucketsAnswer(page, (result) => ({
      object: "organization.usage.embeddings.result",
      input_tokens: result.tokens,
      num_model_requests: result.requests,
      project_id: null,
      user_id: null,
      api_key_id: result.keyId,
      model: result.model,
    })),
  );
}

async function getCosts(c: Context, { accountId }: Caller): Promise<Response> {
  const groupBy = readChoices(c, "group_by", COSTS_GROUPINGS);
  const page = await read(c, accountId, {
    ...readWindow(c, undefined),
    ...readBuckets(c, COSTS_BUCKETS),
    groupBy: groupings(groupBy.includes("line_item"), groupBy.includes("api_key_id")),
  });
  return c.json(
    bucketsAnswer(page, (result) => ({
      object: "organization.costs.result",
      amount: { value: usdNumber(nanoUsd(result.costNanoUsd)), currency: "usd" },
      line_item: result.model === null ? null : `${result.model}, input`,
      project_id: null,
      api_key_id: result.keyId,
      quantity: result.model === null ? null : result.tokens,
    })),
  );
}

function groupings(model: boolean, key: boolean): readonly Grouping[] {
  return [...(model ? (["model"] as const) : []), ...(key ? (["key"] as const) : [])];
}

type Query = UsageWindow & {
  readonly width: BucketWidth;
  readonly limit: number;
  readonly groupBy: readonly Grouping[];
};

async function read(c: Context, accountId: Parameters<typeof accountStub>[1], query: Query): Promise<UsagePage> {
  const unknown = [...(readList(c, "project_ids") ?? []), ...(readList(c, "user_ids") ?? [])];
  const models = unknown.length > 0 ? [] : readList(c, "models");
  const keyIds = readList(c, "api_key_ids");
  const filtered: UsageQuery = {
    ...query,
    ...(models === undefined ? {} : { models }),
    ...(keyIds === undefined ? {} : { keyIds }),
  };
  return acted(await accountStub(c.env, accountId).usage(filtered));
}
