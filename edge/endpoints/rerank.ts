// /v1/rerank and /v2/rerank: documents ordered by the cosine of their embedding with the query's, in a form that the
// rerank clients of Cohere, Jina and Voyage read unchanged.

import { promptFor } from "../embedding/prompts.ts";
import { inputTypeOf } from "../embedding/request-texts.ts";
import { resolveModel } from "../models/models.ts";
import type { RerankRequest } from "../../shared/schemas/rerank.ts";
import { parseRerankRequest } from "../../shared/schemas/rerank.ts";
import { cosine } from "../../shared/vectors.ts";
import { checkDimensions, cutterOf, wantedDimensions } from "./dimensions.ts";
import type { LineEndpoint } from "./endpoint.ts";

/** The endpoint of `/v1/rerank` or `/v2/rerank`. */
export function rerank(apiVersion: "1" | "2"): LineEndpoint {
  return {
    scope: "rerank",

    countTexts: ({ documents }) => 1 + (Array.isArray(documents) ? documents.length : 0),

    async prepare(body, context) {
      const request = parseRerankRequest(body);
      const resolved = resolveModel(request.model, context.models);
      const { model } = resolved;
      const wanted = wantedDimensions(undefined, resolved);
      await checkDimensions(context, model, wanted);
      const cut = cutterOf(wanted.count);
      const prompts = await context.promptsOf(model);
      const query = promptFor(inputTypeOf(request, resolved) ?? "query", request.instruction, prompts) + request.query;
      const documents = request.documents.map((document) => prompts.document + document);
      return {
        model,
        // A call has one prefix for all its texts, so each text carries its own here.
        texts: [query, ...documents].map((text) => ({ kind: "text", text })),
        prefix: "",
        prompts,
        truncate: request.truncate,
        itemOf: (index) => (index === 0 ? "query" : `documents[${index - 1}]`),
        field: "documents",
        answer(embedded, { callId, usage }) {
          const [first, ...others] = embedded.map(({ vector }) => cut(vector));
          if (first === undefined) throw new TypeError("a call answers every text");
          const scores = others.map((other) => cosine(first, other));
          const results = bestFirst(scores, request);
          const meta = { api_version: { version: apiVersion }, billed_units: { input_tokens: usage.prompt_tokens } };
          const answer = { id: callId, object: "list", results, data: results, model: model.id, usage, meta };
          return { body: { kind: "json", body: answer }, vectors: [] };
        },
      };
    },
  };
}

/**
 * Best first, equal scores in the order sent. A score is the cosine, or 0 where it is negative: clients expect 0..1.
 */
function bestFirst(scores: readonly number[], { top, returnDocuments, documents }: RerankRequest) {
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
