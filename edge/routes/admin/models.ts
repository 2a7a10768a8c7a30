// PUT /admin/models/{owner}/{name}: sets a model's prices and status, in force everywhere within 60 s (model-book.ts).
// Fields that are left out keep their value, so that a status can be set without repeating the prices.

import * as z from "zod";
import type { Context } from "../../context.ts";
import type { ModelSettings } from "../../directory/model-settings.ts";
import { loadModelSettings, saveModelSettings, withSettings } from "../../directory/model-settings.ts";
import { readJson } from "../../middleware/body.ts";
import type { Answer } from "../../openapi/operation.ts";
import { pathId } from "../../openapi/parameters.ts";
import { PUBLIC_MODEL, describeModel, modelNameInPath } from "../models.ts";
import type { Route } from "../route.ts";
import { act } from "./act.ts";
import { must } from "../../../shared/assert.ts";
import { apiError } from "../../../shared/errors.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { integer, oneOf, parseBody } from "../../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 16 * 1024;
/** $1,000 per million tokens: a higher price is a mistaken unit. */
const PRICE_MAX = 1_000_000_000_000;
/** $1 a request. */
const MINIMUM_CHARGE_MAX = 1_000_000_000;

const putModelSchema = z.strictObject({
  price_nano_usd_per_million_tokens: integer(0, PRICE_MAX).optional(),
  hit_price_nano_usd_per_million_tokens: integer(0, PRICE_MAX).optional(),
  batch_price_nano_usd_per_million_tokens: integer(0, PRICE_MAX).optional(),
  batch_hit_price_nano_usd_per_million_tokens: integer(0, PRICE_MAX).optional(),
  minimum_charge_nano_usd: integer(0, MINIMUM_CHARGE_MAX).optional(),
  status: oneOf(["live", "coming_soon"]).optional(),
});

export const ADMIN_MODEL: Answer = {
  description: "The model as buyers see it, and the operator's own status.",
  name: "AdminModel",
  schema: PUBLIC_MODEL.schema.extend({ operator_status: z.enum(["live", "coming_soon"]) }),
  example: { ...PUBLIC_MODEL.example, operator_status: "live" },
};

const PUT_MODEL: Route = {
  method: "put",
  path: "/admin/models/{owner}/{name}",
  id: "adminPutModel",
  tag: "Operator",
  summary: "Set a model's prices and status",
  description: "In force everywhere within 60 seconds. Fields that are left out keep their value.",
  auth: "operator",
  parameters: [pathId("owner", "The part before the slash."), pathId("name", "The part after it.")],
  body: { name: "PutModelRequest", schema: putModelSchema, example: { status: "live" } },
  answers: { 200: ADMIN_MODEL },
  errors: ["model_not_found"],
  handler: putModel,
};

export const ADMIN_MODELS: readonly Route[] = [
  PUT_MODEL,
  {
    ...PUT_MODEL,
    path: "/admin/models/{name}",
    id: "adminPutModelByName",
    summary: "The same, with an encoded slash",
    parameters: [pathId("name", "`owner%2Fname`.")],
  },
];

async function putModel(c: Context): Promise<Response> {
  const body = parseBody(putModelSchema, await readJson(c, BODY_BYTES_MAX));
  return changeModel(c, "model.put", body, (known) => changed(known, body));
}

/**
 * Writes what `change` makes of the settings of the path's model, and answers as this isolate shows it from now on. Throws
 * `model_not_found`.
 */
export async function changeModel(
  c: Context,
  action: string,
  facts: object,
  change: (known: ModelSettings) => ModelSettings,
): Promise<Response> {
  const id = modelNameInPath(c);
  const { modelBook } = c.get("services");
  if (!modelBook.models.some((model) => model.id === id)) {
    throw apiError("model_not_found", "No such model: GET /v1/models lists them.", "model");
  }
  const stores = { directory: c.env.DIRECTORY, kv: c.env.EMBEDDING_CACHE };
  await act(c, action, id, facts, async () => {
    // From the directory, not from memory: another isolate may have set a field a second ago.
    const [known] = withSettings(
      modelBook.models.filter((model) => model.id === id),
      await loadModelSettings(stores),
    );
    const { prices, operatorStatus, revisions = [] } = must(known, "a model that is listed");
    await saveModelSettings(stores, change({ id, prices, operatorStatus, revisions }), Date.now());
  });
  await modelBook.reload();
  const model = must(
    modelBook.models.find((one) => one.id === id),
    "a model that is listed",
  );
  return c.json({ ...(await describeModel(c, model)), operator_status: model.operatorStatus });
}

function changed(known: ModelSettings, body: z.output<typeof putModelSchema>): ModelSettings {
  const { prices, operatorStatus } = known;
  return {
    ...known,
    prices: {
      priceNanoUsdPerMillion: body.price_nano_usd_per_million_tokens ?? prices.priceNanoUsdPerMillion,
      hitPriceNanoUsdPerMillion: body.hit_price_nano_usd_per_million_tokens ?? prices.hitPriceNanoUsdPerMillion,
      batchPriceNanoUsdPerMillion: body.batch_price_nano_usd_per_million_tokens ?? prices.batchPriceNanoUsdPerMillion,
      batchHitPriceNanoUsdPerMillion:
        body.batch_hit_price_nano_usd_per_million_tokens ?? prices.batchHitPriceNanoUsdPerMillion,
      minimumChargeNanoUsd: nanoUsd(body.minimum_charge_nano_usd ?? prices.minimumChargeNanoUsd),
    },
    operatorStatus: body.status ?? operatorStatus,
  };
}
