// POST /v1/migrate/report: a customer's own texts under two revisions of a model, to decide whether vectors must be made
// anew. Both are computed in one call, charged together, and not answered.

import * as z from "zod";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { compareRevisions } from "../endpoints/compare-revisions.ts";
import { checkDimensions, cutterOf, wantedDimensions } from "../endpoints/dimensions.ts";
import { answered } from "../endpoints/items.ts";
import { promptFor, promptsOf } from "../embedding/prompts.ts";
import { inputTypeOf } from "../embedding/request-texts.ts";
import { readCallOptions } from "../metering/call-options.ts";
import { embedMetered } from "../metering/metered-call.ts";
import { usageHeaders, usageOf } from "../metering/usage-answer.ts";
import { readJson } from "../middleware/body.ts";
import { embedsNothing, kindOf } from "../models/kind.ts";
import { resolveModel } from "../models/models.ts";
import { SPENDING_ERRORS } from "../openapi/operation.ts";
import { MODEL, count } from "./answers.ts";
import { CALL_HEADERS, SPENDING_HEADERS, USAGE, contextOf, usageSchema } from "./call-answer.ts";
import type { Route } from "./route.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { ApiError, apiError } from "../../shared/errors.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import { migrateBodySchema, parseMigrateRequest } from "../../shared/schemas/migrate.ts";
import type { BackendReady } from "../../shared/wire.ts";

const share = z.number().min(0).max(1);
const cosineOf = z.number().min(-1).max(1);

export const MIGRATE_REPORT: Route = {
  method: "post",
  path: "/v1/migrate/report",
  id: "migrateReport",
  tag: "Models",
  summary: "What going from one revision to another would change, on your own texts",
  description:
    "Embeds `input` in both revisions, which must be served, and compares each text's nearest ones and its two vectors. Both are charged as embeddings of the texts are, without the cache: the tokens count twice, in the limits too. Vectors of two revisions are never comparable by this; it tells whether an index made anew would find the same.",
  auth: "call",
  scope: "embeddings",
  parameters: CALL_HEADERS.filter(({ name }) => name !== "X-Require-Revision"),
  body: {
    name: "MigrateReportRequest",
    schema: migrateBodySchema,
    required: ["input"],
    example: {
      model: MODEL,
      from: "0123456789abcdef",
      to: "fedcba9876543210",
      input: ["a cat", "a kitten", "a car"],
      k: 1,
    },
  },
  answers: {
    200: {
      description: "The comparison.",
      name: "MigrateReport",
      schema: z.object({
        object: z.literal("migrate_report"),
        model: z.string(),
        from: z.string(),
        to: z.string(),
        texts: count,
        k: count,
        neighbours: z.object({
          mean_overlap: share.describe(
            "Of a text's k nearest texts: the share that stays among them, mean of all texts.",
          ),
          same_nearest: share.describe("The share of texts whose nearest text stays the nearest."),
        }),
        cosine: z
          .object({ min: cosineOf, p5: cosineOf, median: cosineOf, mean: cosineOf })
          .describe("Of each text's vector in one revision with that in the other; `p5` by nearest rank."),
        usage: usageSchema,
      }),
      example: {
        object: "migrate_report",
        model: MODEL,
        from: "0123456789abcdef",
        to: "fedcba9876543210",
        texts: 3,
        k: 1,
        neighbours: { mean_overlap: 1, same_nearest: 1 },
        cosine: { min: 0.99, p5: 0.99, median: 0.995, mean: 0.994 },
        usage: USAGE,
      },
      headers: SPENDING_HEADERS,
    },
  },
  errors: SPENDING_ERRORS,
  handler: postMigrateReport,
};

async function postMigrateReport(c: Context): Promise<Response> {
  const options = { ...readCallOptions(c), noStore: true };
  if (options.revision !== undefined) {
    const message = "`X-Require-Revision` means nothing here: `from` and `to` name the revisions.";
    throw apiError("incompatible_options", message, "X-Require-Revision");
  }
  const request = parseMigrateRequest(await readJson(c, c.get("services").config.limits.bodyBytesMax));
  const resolved = resolveModel(request.model, c.get("services").models);
  const { model } = resolved;
  const from = await announcedAs(c, model, "from", request.from);
  const to = await announcedAs(c, model, "to", request.to);
  if (from.dimensions !== to.dimensions) {
    const message = `\`from\` has vectors of ${from.dimensions} dimensions, \`to\` of ${to.dimensions}: none is like another.`;
    throw apiError("incompatible_options", message, "to");
  }
  const wanted = wantedDimensions(request.dimensions, resolved);
  await checkDimensions(contextOf(c), model, wanted);
  const inputType = inputTypeOf(request, resolved);
  const halfOf = (ready: BackendReady) => {
    const prompts = promptsOf(model, ready);
    return { revision: ready.revision, prompts, prefix: promptFor(inputType, request.instruction, prompts) };
  };
  const texts = request.texts.map((text) => ({ kind: "text", text }) as const);
  const result = await embedMetered(c, {
    model,
    scope: "embeddings",
    texts: [...texts, ...texts],
    ...halfOf(from),
    secondHalf: halfOf(to),
    truncate: request.truncate,
    onError: "fail",
    charged: answered,
    options,
    itemOf: (index) => `input[${index % texts.length}]`,
  });
  const vectors = answered(result.texts).map(({ vector }) => cutterOf(wanted.count)(vector));
  const compared = await compareRevisions(vectors.slice(0, texts.length), vectors.slice(texts.length), request.k);
  for (const [name, value] of Object.entries(usageHeaders(result))) c.header(name, value);
  return c.json({
    object: "migrate_report",
    model: model.id,
    from: from.revision,
    to: to.revision,
    texts: texts.length,
    k: request.k,
    ...compared,
    usage: usageOf(result.charge),
  });
}

/** The report of `revision`. Throws `revision_changed`, naming the field, where it is not served. */
async function announcedAs(
  c: Context,
  model: CatalogModel,
  param: string,
  revision: ModelRevision,
): Promise<BackendReady> {
  const { pool } = c.get("services");
  try {
    const ready = await pool.announced(model.id, waitUntilOf(c), revision);
    if (ready === undefined) throw apiError("model_not_ready", "No backend of this model is ready.", "model", 5);
    if (kindOf(model, ready) === "reranker") throw embedsNothing(model.id);
    return ready;
  } catch (error) {
    if (!(error instanceof ApiError) || error.fault.code !== "revision_changed") throw error;
    const served = pool.served(model.id).map((one) => one.revision);
    const message = `\`${param}\`: ${model.id} is not served in revision ${revision}, but in ${served.join(" and ")}. Nothing was charged.`;
    throw apiError("revision_changed", message, param);
  }
}
