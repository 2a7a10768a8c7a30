// /v1/rerank and /v2/rerank: documents ordered by a reranker's scores, or, with an embedding model, by the cosine of their
// embedding with the query's, in a form that the rerank clients of Cohere, Jina and Voyage read unchanged.

import { scoreOf } from "../backend/score-bits.ts";
import { promptFor } from "../embedding/prompts.ts";
import { inputTypeOf } from "../embedding/request-texts.ts";
import { isFailed } from "../embedding/types.ts";
import type { EmbeddedText, TextResult } from "../embedding/types.ts";
import { resolveModel } from "../models/models.ts";
import type { ResolvedModel } from "../models/models.ts";
import { assert, must } from "../../shared/assert.ts";
import { apiError } from "../../shared/errors.ts";
import { placeOf } from "../../shared/schemas/items.ts";
import type { ItemFaults } from "../../shared/schemas/items.ts";
import type { RerankRequest } from "../../shared/schemas/rerank.ts";
import { parseRerankRequest } from "../../shared/schemas/rerank.ts";
import { cosine } from "../../shared/vectors.ts";
import type { Reranker } from "../../shared/wire.ts";
import { checkDimensions, cutterOf, wantedDimensions } from "./dimensions.ts";
import type { CallContext, LineEndpoint, PreparedCall } from "./endpoint.ts";
import { answered, errorItems, inPlaces, usageOfItems } from "./items.ts";

/** How the documents were scored. */
export const RERANK_METHODS = ["reranker", "cosine"] as const;

interface Scored extends Pick<PreparedCall, "texts" | "query" | "prompts"> {
  readonly method: (typeof RERANK_METHODS)[number];
  /** How many texts stand before the documents: the query, where it is one. */
  readonly queryTexts: 0 | 1;
  /** The score of a document. */
  readonly scorer: (query: EmbeddedText | undefined) => (document: EmbeddedText) => number;
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
      const reranker = await context.rerankerOf(model, request.revision);
      const { method, queryTexts, scorer, ...call } =
        reranker === undefined
          ? await byCosine(request, resolved, context)
          : byReranker(request, resolved, reranker.takes);
      const { faults, onError } = request;
      const notSent: ItemFaults = new Map([...faults].map(([place, fault]) => [place + queryTexts, fault]));
      const documentsOf = (results: readonly TextResult[]) => inPlaces(results.slice(queryTexts), faults);
      /** Without it there is no score. */
      const queryOf = (results: readonly TextResult[]) => answered(results.slice(0, queryTexts));
      return {
        model,
        ...call,
        prefix: "",
        truncate: request.truncate,
        onError,
        textsDepend: queryTexts > 0,
        revision: request.revision,
        notSent,
        itemOf: (index) => (index < queryTexts ? "query" : `documents[${placeOf(index - queryTexts, faults)}]`),
        field: "documents",
        charged: (results) => [...queryOf(results), ...answered(documentsOf(results))],
        answer(texts, { callId, usage }) {
          assert(texts.length === call.texts.length, "a call answers every text");
          const scoreOfDocument = scorer(queryOf(texts)[0]);
          const places = documentsOf(texts);
          const results = bestFirst(
            places.map((place) => (isFailed(place) ? undefined : scoreOfDocument(place))),
            request,
          );
          const errors = errorItems(places);
          const meta = { api_version: { version: apiVersion }, billed_units: { input_tokens: usage.prompt_tokens } };
          const answer = {
            id: callId,
            object: "list",
            method,
            results,
            data: results,
            ...(errors.length > 0 && { errors }),
            model: model.id,
            usage: usageOfItems(usage, onError, errors.length),
            meta,
          };
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
  const prompts = await context.promptsOf(model, request.revision);
  const query = promptFor(inputTypeOf(request, resolved) ?? "query", request.instruction, prompts) + request.query;
  const documents = request.documents.map(({ text }) => prompts.document + text);
  return {
    method: "cosine",
    // A call has one prefix for all its texts, so each text carries its own here.
    texts: [query, ...documents].map((text) => ({ kind: "text", text })),
    prompts,
    queryTexts: 1,
    scorer(text) {
      const queried = cut(must(text, "the query is a text of the call").vector);
      // 0 where it is negative: clients expect 0..1.
      return ({ vector }) => Math.max(0, cosine(queried, cut(vector)));
    },
  };
}

function byReranker(request: RerankRequest, resolved: ResolvedModel, takes: Reranker | undefined): Scored {
  checkOptions(request, resolved, takes);
  return {
    method: "reranker",
    texts: request.documents.map(({ text }) => ({ kind: "text", text })),
    query: { text: request.query, instruction: request.instruction ?? null, takes },
    queryTexts: 0,
    scorer:
      () =>
      ({ vector }) =>
        scoreOf(vector),
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

/** Best first, equal scores in the order sent. `scores`: by place; undefined for a document at fault. */
function bestFirst(
  scores: readonly (number | undefined)[],
  { top, returnDocuments, documents, faults }: RerankRequest,
) {
  const sent = inPlaces(documents, faults);
  const shownAt = (index: number) => {
    const document = must(sent[index], "a score is a document's");
    return isFailed(document) ? undefined : document.shown;
  };
  return scores
    .flatMap((score, index) => (score === undefined ? [] : [{ score, index }]))
    .toSorted((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, top)
    .map(({ score, index }) => ({
      index,
      relevance_score: score,
      ...(returnDocuments ? { document: shownAt(index) } : {}),
    }));
}
