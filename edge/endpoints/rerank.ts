// /v1/rerank and /v2/rerank: documents ordered by a reranker's scores, or, with an embedding model, by the cosine of their
// embedding with the query's, in a form that the rerank clients of Cohere, Jina and Voyage read unchanged.

import { scoreOf } from "../backend/score-bits.ts";
import { promptFor } from "../embedding/prompts.ts";
import { inputTypeOf } from "../embedding/request-texts.ts";
import type { EmbeddedText } from "../embedding/types.ts";
import { resolveModel } from "../models/models.ts";
import type { ResolvedModel } from "../models/models.ts";
import { assert, must } from "../../shared/assert.ts";
import { apiError } from "../../shared/errors.ts";
import type { RerankRequest } from "../../shared/schemas/rerank.ts";
import { parseRerankRequest } from "../../shared/schemas/rerank.ts";
import { cosine } from "../../shared/vectors.ts";
import type { Reranker } from "../../shared/wire.ts";
import { checkDimensions, cutterOf, wantedDimensions } from "./dimensions.ts";
import type { CallContext, LineEndpoint, PreparedCall } from "./endpoint.ts";

/** How the documents were scored. */
export const RERANK_METHODS = ["reranker", "cosine"] as const;

interface Scored extends Pick<PreparedCall, "texts" | "query" | "prompts" | "itemOf"> {
  readonly method: (typeof RERANK_METHODS)[number];
  /** A score for each document. */
  readonly scores: (embedded: readonly EmbeddedText[]) => readonly number[];
}

/** The endpoint of `/v1/rerank` or `/v2/rerank`. */
export function rerank(apiVersion: "1" | "2"): LineEndpoint {
  return {
    scope: "rerank",

    countTexts: ({ documents }) => 1 + (Array.isArray(documents) ? documents.length : 0),

    async prepare(body, context) {
      const request = parseRerankRequest(body);
      const resolved = resolveModel(request.model, context.models);
      const { model } = resolved;
      const reranker = await context.rerankerOf(model);
      const { method, scores, ...call } =
        reranker === undefined
          ? await byCosine(request, resolved, context)
          : byReranker(request, resolved, reranker.takes);
      return {
        model,
        ...call,
        prefix: "",
        truncate: request.truncate,
        field: "documents",
        answer(embedded, { callId, usage }) {
          assert(embedded.length === call.texts.length, "a call answers every text");
          const results = bestFirst(scores(embedded), request);
          const meta = { api_version: { version: apiVersion }, billed_units: { input_tokens: usage.prompt_tokens } };
          const answer = { id: callId, object: "list", method, results, data: results, model: model.id, usage, meta };
          return { body: { kind: "json", body: answer }, vectors: [] };
        },
      };
    },
  };
}

async function byCosine(request: RerankRequest, resolved: ResolvedModel, context: CallContext): Promise<Scored> {
  const { model } = resolved;
  const wanted = wantedDimensions(undefined, resolved);
  await checkDimensions(context, model, wanted);
  const cut = cutterOf(wanted.count);
  const prompts = await context.promptsOf(model);
  const query = promptFor(inputTypeOf(request, resolved) ?? "query", request.instruction, prompts) + request.query;
  const documents = request.documents.map(({ text }) => prompts.document + text);
  return {
    method: "cosine",
    // A call has one prefix for all its texts, so each text carries its own here.
    texts: [query, ...documents].map((text) => ({ kind: "text", text })),
    prompts,
    itemOf: (index) => (index === 0 ? "query" : `documents[${index - 1}]`),
    scores: (embedded) => {
      const [first, ...others] = embedded.map(({ vector }) => cut(vector));
      const queried = must(first, "the query is a text of the call");
      // 0 where it is negative: clients expect 0..1.
      return others.map((other) => Math.max(0, cosine(queried, other)));
    },
  };
}

function byReranker(request: RerankRequest, resolved: ResolvedModel, takes: Reranker | undefined): Scored {
  checkOptions(request, resolved, takes);
  return {
    method: "reranker",
    texts: request.documents.map(({ text }) => ({ kind: "text", text })),
    query: { text: request.query, instruction: request.instruction ?? null, takes },
    itemOf: (index) => `documents[${index}]`,
    scores: (embedded) => embedded.map(({ vector }) => scoreOf(vector)),
  };
}

/** Refuses options that only embeddings have. Throws ApiError. */
function checkOptions(request: RerankRequest, resolved: ResolvedModel, takes: Reranker | undefined): void {
  const refused = (param: string, message: string) => apiError("incompatible_options", message, param);
  if (resolved.dimensions !== undefined) {
    throw refused("model", `A reranker has no dimensions: leave \`@${resolved.dimensions}\` out.`);
  }
  if (inputTypeOf(request, resolved) === "document") {
    throw refused("input_type", 'A reranker reads `query` as a query: leave `input_type` "document" out.');
  }
  if (request.truncate === "start") {
    throw refused("truncate", 'A reranker reads a document from its beginning: send `truncate: "end"` or `"none"`.');
  }
  if (request.instruction !== undefined && takes?.instruction === null) {
    throw refused("instruction", "This model was not trained to follow instructions: leave `instruction` out.");
  }
}

/** Best first, equal scores in the order sent. */
function bestFirst(scores: readonly number[], { top, returnDocuments, documents }: RerankRequest) {
  return scores
    .map((score, index) => ({ score, index }))
    .toSorted((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, top)
    .map(({ score, index }) => ({
      index,
      relevance_score: score,
      ...(returnDocuments ? { document: documents[index]?.shown } : {}),
    }));
}
