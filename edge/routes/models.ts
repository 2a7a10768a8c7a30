// GET /v1/models and /v1/models/{owner}/{name}: OpenAI's shape, and what a buyer needs beside it.

import * as z from "zod";
import type { Pool } from "../backend/pool.ts";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { promptsOf } from "../embedding/prompts.ts";
import { publicStatus, resolveModel } from "../models/models.ts";
import { pathId } from "../openapi/parameters.ts";
import { MODEL, amountNanoUsd, count, unixSeconds } from "./answers.ts";
import type { Route } from "./route.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { instructionOf } from "../../shared/token-bound.ts";
import type { BackendReady } from "../../shared/wire.ts";

export const modelSchema = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: unixSeconds,
  owned_by: z.string(),
  name: z.string(),
  description: z.string(),
  license: z.string(),
  status: z.enum(["live", "warming", "coming_soon"]),
  context_length: count,
  native_dimensions: count,
  permitted_dimensions: z.object({ min: count, max: count }),
  default_query_instruction: z.nullable(z.string()).describe("Null where the model's query prompt has another form."),
  prompts: z
    .object({ query: z.string(), document: z.string(), default: z.string() })
    .describe(
      'What is put before a text: by `input_type`, and without one. The caller\'s `instruction` replaces "query".',
    ),
  pooling: z.string(),
  revision: z.nullable(z.string()),
  reproducible: z
    .nullable(z.boolean())
    .describe(
      "True: a text's vector is the same bits in any request and batch, under one `revision` on one class of processor. Null: not promised.",
    ),
  float32_distance_max: z
    .nullable(z.number().positive())
    .describe("1 - cosine between a vector and float32 arithmetic's on the same weights, at most. Null: not promised."),
  throughput_tokens_per_second: z.nullable(z.number().nonnegative()),
  pricing: z.object({
    price_nano_usd_per_million_tokens: amountNanoUsd,
    hit_price_nano_usd_per_million_tokens: amountNanoUsd,
    batch_price_nano_usd_per_million_tokens: amountNanoUsd,
    batch_hit_price_nano_usd_per_million_tokens: amountNanoUsd,
    minimum_charge_nano_usd: amountNanoUsd,
  }),
});

export const MODEL_EXAMPLE = {
  id: MODEL,
  object: "model",
  created: 1_793_491_200,
  owned_by: "gigarouter",
  name: "Demo Embedding",
  description: "The embedded demo.",
  license: "apache-2.0",
  status: "live",
  context_length: 8192,
  native_dimensions: 256,
  permitted_dimensions: { min: 1, max: 256 },
  default_query_instruction: "Given a web search query, retrieve relevant passages that answer the query",
  prompts: {
    query: "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
    document: "",
    default: "",
  },
  pooling: "last_token",
  revision: "0123456789abcdef",
  reproducible: true,
  float32_distance_max: 1e-5,
  throughput_tokens_per_second: null,
  pricing: {
    price_nano_usd_per_million_tokens: 8_000_000,
    hit_price_nano_usd_per_million_tokens: 4_000_000,
    batch_price_nano_usd_per_million_tokens: 4_000_000,
    batch_hit_price_nano_usd_per_million_tokens: 2_000_000,
    minimum_charge_nano_usd: 0,
  },
};

/** Sizes come from the backend where one announces the model, from the catalogue otherwise. */
export function modelAnswer(
  model: CatalogModel,
  announced: BackendReady | undefined,
  readiness: ReturnType<Pool["readiness"]>,
) {
  const native = announced?.dimensions ?? model.nativeDimensions;
  const { prices } = model;
  const prompts = promptsOf(model, announced);
  return {
    id: model.id,
    object: "model",
    created: model.created,
    owned_by: model.id.slice(0, model.id.indexOf("/")),
    name: model.name,
    description: model.description,
    license: model.license,
    status: publicStatus(model, readiness),
    context_length: announced?.contextTokens ?? model.contextTokens,
    native_dimensions: native,
    permitted_dimensions: { min: 1, max: native },
    default_query_instruction: instructionOf(prompts.query),
    prompts: { query: prompts.query, document: prompts.document, default: prompts.plain },
    pooling: announced?.pooling ?? "last_token",
    revision: announced?.revision ?? null,
    reproducible: announced?.arithmetic?.reproducible ?? null,
    float32_distance_max: announced?.arithmetic?.float32DistanceMax ?? null,
    throughput_tokens_per_second: announced?.tokensPerSecond ?? null,
    pricing: {
      price_nano_usd_per_million_tokens: prices.priceNanoUsdPerMillion,
      hit_price_nano_usd_per_million_tokens: prices.hitPriceNanoUsdPerMillion,
      batch_price_nano_usd_per_million_tokens: prices.batchPriceNanoUsdPerMillion,
      batch_hit_price_nano_usd_per_million_tokens: prices.batchHitPriceNanoUsdPerMillion,
      minimum_charge_nano_usd: prices.minimumChargeNanoUsd,
    },
  };
}

export const LIST_MODELS: Route = {
  method: "get",
  path: "/v1/models",
  id: "listModels",
  tag: "Models",
  summary: "All models with prices, sizes and status",
  auth: "optional",
  answers: {
    200: {
      description: "OpenAI's list of models, and what a buyer needs beside it.",
      name: "Models",
      schema: z.object({ object: z.literal("list"), data: z.array(modelSchema) }),
      example: { object: "list", data: [MODEL_EXAMPLE] },
    },
  },
  handler: listModels,
};

export const GET_MODEL: Route = {
  method: "get",
  path: "/v1/models/{owner}/{name}",
  id: "getModel",
  tag: "Models",
  summary: "One model",
  description: "`/v1/models/owner%2Fname` is the same.",
  auth: "optional",
  parameters: [pathId("owner", "The part before the slash."), pathId("name", "The part behind it.")],
  answers: { 200: { description: "The model.", name: "Model", schema: modelSchema, example: MODEL_EXAMPLE } },
  errors: ["model_not_found", "route_not_found"],
  handler: getModel,
};

export const GET_MODEL_BY_NAME: Route = {
  ...GET_MODEL,
  path: "/v1/models/{name}",
  id: "getModelByName",
  summary: "One model by its bare name, or with an encoded slash",
  parameters: [pathId("name", "The bare name where it is unique, or `owner%2Fname`.")],
};

async function listModels(c: Context): Promise<Response> {
  const { models } = c.get("services");
  const data = await Promise.all(models.map((model) => describeModel(c, model)));
  return c.json({ object: "list", data });
}

async function getModel(c: Context): Promise<Response> {
  const owner = c.req.param("owner");
  const name = c.req.param("name") ?? "";
  const { model } = resolveModel(owner === undefined ? name : `${owner}/${name}`, c.get("services").models);
  return c.json(await describeModel(c, model));
}

async function describeModel(c: Context, model: CatalogModel) {
  const { pool } = c.get("services");
  const announced = await pool.announced(model.id, waitUntilOf(c));
  return modelAnswer(model, announced, pool.readiness(model.id));
}
