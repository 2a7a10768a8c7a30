// POST /v1/similarity: cosines of pairs of texts, embedded, cached and charged as those of /v1/embeddings are.

import type { Context } from "../context.ts";
import { checkDimensions, cutterOf, wantedDimensions } from "../endpoints/dimensions.ts";
import { promptFor } from "../embedding/prompts.ts";
import { embedMetered } from "../metering/metered-call.ts";
import { readJson } from "../middleware/body.ts";
import { readCallOptions } from "../metering/call-options.ts";
import { resolveModel } from "../models/models.ts";
import { contextOf } from "./call-answer.ts";
import { usageHeaders, usageOf } from "../metering/usage-answer.ts";
import { parseSimilarityRequest } from "../../shared/schemas/similarity.ts";
import { cosine } from "../../shared/vectors.ts";

export async function postSimilarity(c: Context): Promise<Response> {
  const { config, models } = c.get("services");
  const options = readCallOptions(c);
  const request = parseSimilarityRequest(await readJson(c, config.limits.bodyBytesMax));
  const resolved = resolveModel(request.model, models);
  await checkDimensions(contextOf(c), resolved.model, wantedDimensions(undefined, resolved));
  const cut = cutterOf(resolved.dimensions);
  const prompts = await contextOf(c).promptsOf(resolved.model);
  const result = await embedMetered(c, {
    model: resolved.model,
    scope: "embeddings",
    texts: request.texts.map((text) => ({ kind: "text", text })),
    prefix: promptFor(resolved.inputType, undefined, prompts),
    prompts,
    truncate: request.truncate,
    options,
    itemOf: request.itemOf,
    field: request.itemOf(0).replace(/\[.*/, ""),
  });
  const vectors = result.texts.map(({ vector }) => cut(vector));
  const data = request.pairs.map(([a, b], index) => {
    const [first, second] = [vectors[a], vectors[b]];
    if (first === undefined || second === undefined) throw new TypeError("a pair names texts of its request");
    return { index, similarity: cosine(first, second) };
  });
  for (const [name, value] of Object.entries(usageHeaders(result))) {
    c.header(name, value);
  }
  return c.json({ object: "list", data, model: resolved.model.id, usage: usageOf(result.charge) });
}
