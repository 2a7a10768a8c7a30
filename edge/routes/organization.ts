// GET /v1/organization/usage/embeddings and /v1/organization/costs: the ledger's figures in OpenAI's exact shape, for
// tools that read OpenAI's (its SDK has a client for them). There are no projects and no users here: what is grouped by
// them is null, and a filter that names one finds nothing. Source: OpenAI's API reference, Usage.

import { accountStub } from "../account/account-stub.ts";
import type { BucketWidth, Grouping, UsagePage, UsageQuery } from "../ledger/usage-query.ts";
import type { Context } from "../context.ts";
import { authorize } from "../middleware/authorize.ts";
import { acted } from "../middleware/acted.ts";
import { readChoices, readLimit, readList } from "./query.ts";
import type { UsageWindow } from "./usage-window.ts";
import { bucketsAnswer, readWidth, readWindow } from "./usage-window.ts";
import { nanoUsd, usdNumber } from "../../shared/money.ts";

const EMBEDDINGS_WIDTHS = ["1m", "1h", "1d"] as const;
const EMBEDDINGS_BUCKETS = {
  "1m": { fallback: 60, max: 1440 },
  "1h": { fallback: 24, max: 168 },
  "1d": { fallback: 7, max: 31 },
} as const;
const COSTS_BUCKETS = { fallback: 7, max: 180 } as const;

export async function getEmbeddingsUsage(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "usage:read");
  const width = readWidth(c, EMBEDDINGS_WIDTHS);
  const groupBy = readChoices(c, "group_by", ["project_id", "user_id", "api_key_id", "model"]);
  const page = await read(c, accountId, {
    ...readWindow(c, undefined),
    width,
    limit: readLimit(c, EMBEDDINGS_BUCKETS[width].max, EMBEDDINGS_BUCKETS[width].fallback),
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

export async function getCosts(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "usage:read");
  const width = readWidth(c, ["1d"]);
  const groupBy = readChoices(c, "group_by", ["project_id", "line_item", "api_key_id"]);
  const page = await read(c, accountId, {
    ...readWindow(c, undefined),
    width,
    limit: readLimit(c, COSTS_BUCKETS.max, COSTS_BUCKETS.fallback),
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
