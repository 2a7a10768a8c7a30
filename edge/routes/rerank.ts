// POST /v1/rerank and /v2/rerank: documents ordered by the cosine of their embedding and the query's, in a shape that
// the rerank clients of Cohere, Jina and Voyage read unchanged. The texts are embedded, cached and charged as those of
// /v1/embeddings are.

import type { Context } from "../context.ts";
import { checkDimensions, cutterOf } from "../dimensions.ts";
import { embedMetered } from "../metered-call.ts";
import { readJson } from "../middleware/body.ts";
import { readCallOptions } from "../middleware/call-options.ts";
import { resolveModel } from "../models.ts";
import { usageHeaders, usageOf } from "../usage-answer.ts";
import type { RerankRequest } from "../../shared/schemas/rerank.ts";
import { parseRerankRequest } from "../../shared/schemas/rerank.ts";
import { cosine } from "../../shared/vectors.ts";

export const postRerankV1 = (c: Context): Promise<Response> => postRerank(c, "1");
export const postRerankV2 = (c: Context): Promise<Response> => postRerank(c, "2");

async function postRerank(c: Context, apiVersion: "1" | "2"): Promise<Response> {
  const { config, models } = c.get("services");
  const options = readCallOptions(c);
  const request = parseRerankRequest(await readJson(c, config.limits.bodyBytesMax));
  const { model, dimensions } = resolveModel(request.model, models);
  await checkDimensions(c, model, dimensions);
  const cut = cutterOf(dimensions);
  const result = await embedMetered(c, {
    model,
    scope: "rerank",
    // A call has one prefix for all its texts, and documents have none: the query carries its own.
    texts: [request.prefix + request.query, ...request.documents].map((text) => ({ kind: "text", text })),
    prefix: "",
    truncate: request.truncate,
    options,
    itemOf: (index) => (index === 0 ? "query" : `documents[${index - 1}]`),
    field: "documents",
  });
  const [query, ...documents] = result.texts.map(({ vector }) => vector);
  if (query === undefined) throw new TypeError("a call answers every text");
  const queryVector = cut(query);
  const results = bestFirst(
    documents.map((document) => cosine(queryVector, cut(document))),
    request,
  );
  for (const [name, value] of Object.entries(usageHeaders(result.charge, result.admission, result))) {
    c.header(name, value);
  }
  return c.json({
    id: result.callId,
    object: "list",
    results,
    data: results,
    model: model.id,
    usage: usageOf(result.charge),
    meta: { api_version: { version: apiVersion }, billed_units: { input_tokens: result.charge.tokens } },
  });
}

/** Best first, equal scores in the order sent. A score is the cosine, negative ones as 0: clients expect 0..1. */
export function bestFirst(scores: readonly number[], { top, returnDocuments, documents }: RerankRequest) {
  return scores
    .map((score, index) => ({ score, index }))
    .toSorted((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, top)
    .map(({ score, index }) => ({
      index,
      relevance_score: Math.max(0, score),
      ...(returnDocuments ? { document: { text: documents[index] ?? "" } } : {}),
    }));
}
