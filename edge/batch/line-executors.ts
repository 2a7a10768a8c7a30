// The endpoints that a batch may have, each by what its route does: the same parsing, the same vectors, the same answer.

import { cutterOf, dimensionsOf } from "../dimensions.ts";
import { cacheTexts, prefixOf } from "../embedding/request-texts.ts";
import { resolveModel } from "../models.ts";
import { bestFirst } from "../routes/rerank.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { apiError } from "../../shared/errors.ts";
import type { BatchEndpoint } from "../../shared/schemas/batches.ts";
import { parseEmbeddingsRequest } from "../../shared/schemas/embeddings.ts";
import { parseRerankRequest } from "../../shared/schemas/rerank.ts";
import { cosine } from "../../shared/vectors.ts";
import type { OutputDtype } from "../../shared/vectors.ts";
import type { LineContext, LineExecutor } from "./line-executor.ts";

const embeddings: LineExecutor = {
  countTexts({ input }) {
    if (!Array.isArray(input)) return 1;
    const [first]: readonly unknown[] = input;
    if (typeof first === "number") return 1;
    return Array.isArray(first) && typeof first[0] === "string" ? input.length * 2 : input.length;
  },

  async prepare(body, context) {
    const request = parseEmbeddingsRequest(body);
    const resolved = resolveModel(request.model, context.models);
    const dimensions = dimensionsOf(request, resolved);
    await checkDimensions(context, resolved.model, dimensions, request.dtype);
    return {
      model: resolved.model,
      texts: cacheTexts(request),
      prefix: prefixOf(request, resolved),
      truncate: request.truncate,
      itemOf: (index) => `input[${index}]`,
      answer: (embedded, facts) => ({
        body: {
          kind: "embeddings",
          dimensions: dimensions ?? facts.dimensions,
          dtype: request.dtype,
          encoding: request.encoding,
          model: resolved.model.id,
          usage: facts.usage,
          pairs: request.input.kind === "pairs",
        },
        vectors: embedded.map(({ vector }) => vector),
      }),
    };
  },
};

const rerank: LineExecutor = {
  countTexts: ({ documents }) => 1 + (Array.isArray(documents) ? documents.length : 0),

  async prepare(body, context) {
    const request = parseRerankRequest(body);
    const { model, dimensions } = resolveModel(request.model, context.models);
    await checkDimensions(context, model, dimensions, "float");
    const cut = cutterOf(dimensions);
    return {
      model,
      texts: [request.prefix + request.query, ...request.documents].map((text) => ({ kind: "text", text })),
      prefix: "",
      truncate: request.truncate,
      itemOf: (index) => (index === 0 ? "query" : `documents[${index - 1}]`),
      answer(embedded, { requestId, usage }) {
        const [query, ...documents] = embedded.map(({ vector }) => cut(vector));
        if (query === undefined) throw new TypeError("a line has every vector");
        const results = bestFirst(
          documents.map((document) => cosine(query, document)),
          request,
        );
        const meta = { api_version: { version: "1" }, billed_units: { input_tokens: usage.prompt_tokens } };
        const answer = { id: requestId, object: "list", results, data: results, model: model.id, usage, meta };
        return { body: { kind: "json", body: answer }, vectors: [] };
      },
    };
  },
};

export const LINE_EXECUTORS: Readonly<Record<BatchEndpoint, LineExecutor>> = {
  "/v1/embeddings": embeddings,
  "/v1/rerank": rerank,
};

/** Throws `invalid_dimensions` for a cut that cannot be made. */
async function checkDimensions(
  context: LineContext,
  model: CatalogModel,
  wanted: number | undefined,
  dtype: OutputDtype,
): Promise<void> {
  if (wanted === undefined) return;
  const native = await context.dimensionsOf(model);
  if (wanted < 1 || wanted > native) {
    throw apiError(
      "invalid_dimensions",
      `\`dimensions\` must be an integer from 1 to ${native} for this model, not ${wanted}.`,
      "dimensions",
    );
  }
  if ((dtype === "binary" || dtype === "ubinary") && wanted % 8 !== 0) {
    throw apiError(
      "invalid_dimensions",
      `\`output_dtype\` "${dtype}" packs eight dimensions into a byte: \`dimensions\` must be divisible by 8, not ${wanted}.`,
      "dimensions",
    );
  }
}
