// GET /v1/models and /v1/models/{owner}/{name}: OpenAI's form, with what a buyer needs to know besides.

import * as z from "zod";
import type { Pool } from "../backend/pool.ts";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { instructionForm, promptsOf } from "../embedding/prompts.ts";
import { kindOf } from "../models/kind.ts";
import { publicStatus, resolveModel } from "../models/models.ts";
import { always, described, field, inner } from "../openapi/described.ts";
import { pathId } from "../openapi/parameters.ts";
import { MODEL, amountNanoUsd, answerOf, count, time, unixSeconds } from "./answers.ts";
import type { Route } from "./route.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { DEFAULT_QUERY_INSTRUCTION, instructionOf, instructionPrefix } from "../../shared/token-bound.ts";
import type { BackendReady } from "../../shared/wire.ts";

interface ShownModel {
  readonly model: CatalogModel;
  /** Of all revisions that are served. */
  readonly served: readonly BackendReady[];
  /** The report of the backend that serves it; while there is none, sizes come from the catalogue. */
  readonly announced: BackendReady | undefined;
  readonly readiness: ReturnType<Pool["readiness"]>;
  /** Null for a reranker. */
  readonly prompts: ReturnType<typeof promptsOf> | null;
  readonly dimensions: number;
}

const NOT_PROMISED = "Null: not promised.";

export const PUBLIC_MODEL = described<ShownModel>({
  id: field(z.string(), ({ model }) => model.id, MODEL),
  object: always("model"),
  created: field(unixSeconds, ({ model }) => model.created, 1_793_491_200),
  owned_by: field(z.string(), ({ model: { id } }) => id.slice(0, id.indexOf("/")), "gigarouter"),
  kind: field(
    z
      .nullable(z.enum(["embedding", "reranker"]))
      .describe("An embedding model makes vectors; a reranker scores documents in /v1/rerank. Null: not known yet."),
    ({ model, announced }) => kindOf(model, announced) ?? null,
    "embedding",
  ),
  name: field(z.string(), ({ model }) => model.name, "Demo Embedding"),
  description: field(z.string(), ({ model }) => model.description, "The embedded demo."),
  license: field(z.string(), ({ model }) => model.license, "apache-2.0"),
  status: field(
    z.enum(["live", "warming", "coming_soon"]),
    ({ model, readiness }) => publicStatus(model, readiness),
    "live",
  ),
  context_length: field(count, ({ model, announced }) => announced?.contextTokens ?? model.contextTokens, 8192),
  native_dimensions: field(
    count.describe("0: a reranker, which has none, or not known yet."),
    ({ dimensions }) => dimensions,
    256,
  ),
  permitted_dimensions: field(
    z.object({ min: count, max: count }).describe("Equal if the model's vectors cannot be cut."),
    ({ dimensions, announced }) => ({
      min: announced?.matryoshka === false ? dimensions : Math.min(1, dimensions),
      max: dimensions,
    }),
    { min: 1, max: 256 },
  ),
  default_query_instruction: field(
    z.nullable(z.string()).describe("Null where the model takes none, or its query prompt has another form."),
    ({ model, announced, prompts }) =>
      prompts === null ? defaultInstruction(model, announced) : instructionOf(prompts.query),
    DEFAULT_QUERY_INSTRUCTION,
  ),
  prompts: field(
    z
      .nullable(
        z.object({ query: z.string(), document: z.string(), default: z.string(), instruction: z.nullable(z.string()) }),
      )
      .describe(
        "The prompts before a text: by `input_type`, without one, and with the caller's own `instruction` in place of `{instruction}` (null: the model takes no instruction). Null for a reranker, which has a template of its own.",
      ),
    ({ prompts }) =>
      prompts && {
        query: prompts.query,
        document: prompts.document,
        default: prompts.plain,
        instruction: instructionForm(prompts),
      },
    {
      query: instructionPrefix(DEFAULT_QUERY_INSTRUCTION),
      document: "",
      default: "",
      instruction: instructionPrefix("{instruction}"),
    },
  ),
  query_tokens_max: field(
    z.nullable(count).describe("Of a reranker that is served: the longest instruction and query together, in tokens."),
    ({ announced }) => announced?.reranker?.queryTokensMax ?? null,
    null,
  ),
  architecture: field(
    z.nullable(z.string()).describe("The checkpoint's `model_type`. Null until a backend reports it."),
    ({ announced }) => announced?.architecture ?? null,
    "qwen3",
  ),
  pooling: field(z.string(), ({ announced }) => announced?.pooling ?? "last_token", "last_token"),
  revision: field(z.nullable(z.string()), ({ announced }) => announced?.revision ?? null, "0123456789abcdef"),
  revisions: field(
    z
      .array(
        z.object({
          revision: z.string(),
          served: z.boolean(),
          supported_until: time,
          superseded_by: z.nullable(z.string()),
        }),
      )
      .describe(
        "Those that are served now, and those of which the operator has said how long they will be (`supported_until`) and what takes their place (`superseded_by`). A call without `revision` is answered in the one above.",
      ),
    ({ model, served }) => revisionsOf(model, served),
    [{ revision: "0123456789abcdef", served: true, supported_until: null, superseded_by: null }],
  ),
  reproducible: field(
    z
      .nullable(z.boolean())
      .describe(
        `True: a text's vector, or a pair's score, is the same bits in any request and batch, under one \`revision\` on one class of processor. ${NOT_PROMISED}`,
      ),
    ({ announced }) => announced?.arithmetic?.reproducible ?? null,
    true,
  ),
  float32_distance_max: field(
    z
      .nullable(z.number().positive())
      .describe(
        `Between a vector and float32 arithmetic's on the same weights: 1 - cosine, at most. Of a reranker: the difference of the scores. ${NOT_PROMISED}`,
      ),
    ({ announced }) => announced?.arithmetic?.float32DistanceMax ?? null,
    1e-5,
  ),
  throughput_tokens_per_second: field(
    z.nullable(z.number().nonnegative()),
    ({ announced }) => announced?.tokensPerSecond ?? null,
    null,
  ),
  pricing: inner(
    described<CatalogModel["prices"]>({
      price_nano_usd_per_million_tokens: field(amountNanoUsd, (p) => p.priceNanoUsdPerMillion, 8_000_000),
      hit_price_nano_usd_per_million_tokens: field(amountNanoUsd, (p) => p.hitPriceNanoUsdPerMillion, 4_000_000),
      batch_price_nano_usd_per_million_tokens: field(amountNanoUsd, (p) => p.batchPriceNanoUsdPerMillion, 4_000_000),
      batch_hit_price_nano_usd_per_million_tokens: field(
        amountNanoUsd,
        (p) => p.batchHitPriceNanoUsdPerMillion,
        2_000_000,
      ),
      minimum_charge_nano_usd: field(amountNanoUsd, (p) => p.minimumChargeNanoUsd, 0),
    }),
    ({ model }) => model.prices,
  ),
});

function revisionsOf({ revisions: terms = [] }: CatalogModel, served: readonly BackendReady[]) {
  const names = new Set([...served, ...terms].map(({ revision }) => revision));
  return [...names].map((revision) => {
    const said = terms.find((one) => one.revision === revision);
    return {
      revision,
      served: served.some((one) => one.revision === revision),
      supported_until: said?.supportedUntil ?? null,
      superseded_by: said?.supersededBy ?? null,
    };
  });
}

/** The instruction of a reranker's call that has none; null: the model takes none. */
function defaultInstruction(model: CatalogModel, announced: BackendReady | undefined): string | null {
  return announced?.reranker === undefined ? model.defaultInstruction : announced.reranker.instruction;
}

/** `model` as `GET /v1/models` shows it. */
export async function describeModel(c: Context, model: CatalogModel) {
  const { pool } = c.get("services");
  const announced = await pool.announced(model.id, waitUntilOf(c));
  const isReranker = kindOf(model, announced) === "reranker";
  const dimensions = isReranker ? 0 : (announced?.dimensions ?? model.nativeDimensions);
  const prompts = isReranker ? null : promptsOf(model, announced);
  const served = pool.readiness(model.id) === "ready" ? pool.served(model.id) : [];
  return PUBLIC_MODEL.of({ model, announced, served, readiness: pool.readiness(model.id), prompts, dimensions });
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
      schema: z.object({ object: z.literal("list"), data: z.array(PUBLIC_MODEL.schema) }),
      example: { object: "list", data: [PUBLIC_MODEL.example] },
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
  parameters: [pathId("owner", "The part before the slash."), pathId("name", "The part after it.")],
  answers: { 200: answerOf("Model", "The model.", PUBLIC_MODEL) },
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
  return c.json(await describeModel(c, modelInPath(c)));
}

/** The model that the path names by owner and name, or by its name alone. Throws `model_not_found`. */
export function modelInPath(c: Context): CatalogModel {
  return resolveModel(modelNameInPath(c), c.get("services").models).model;
}

/** The name of the model in the path, as the caller wrote it. */
export function modelNameInPath(c: Context): string {
  const owner = c.req.param("owner");
  const name = c.req.param("name") ?? "";
  return owner === undefined ? name : `${owner}/${name}`;
}
