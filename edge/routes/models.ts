// GET /v1/models and /v1/models/{owner}/{name}: OpenAI's shape, and what a buyer needs beside it.

import type { Pool } from "../backend/pool.ts";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { promptsOf } from "../embedding/prompts.ts";
import { publicStatus, resolveModel } from "../models/models.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { instructionOf } from "../../shared/token-bound.ts";
import type { BackendReady } from "../../shared/wire.ts";

export async function listModels(c: Context): Promise<Response> {
  const { models } = c.get("services");
  const data = await Promise.all(models.map((model) => describeModel(c, model)));
  return c.json({ object: "list", data });
}

export async function getModel(c: Context): Promise<Response> {
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
