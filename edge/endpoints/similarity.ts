// /v1/similarity: the cosine of each pair of texts.

import { promptFor } from "../embedding/prompts.ts";
import { isEmbedded, isFailed } from "../embedding/types.ts";
import type { EmbeddedText, FailedText, TextResult } from "../embedding/types.ts";
import { resolveModel } from "../models/models.ts";
import { must } from "../../shared/assert.ts";
import { parseSimilarityRequest } from "../../shared/schemas/similarity.ts";
import { cosine } from "../../shared/vectors.ts";
import { checkDimensions, cutterOf, wantedDimensions } from "./dimensions.ts";
import type { Endpoint } from "./endpoint.ts";
import { answered, errorItem, inPlaces, usageOfItems } from "./items.ts";

export const similarity: Endpoint = {
  scope: "embeddings",

  async prepare(body, context) {
    const request = parseSimilarityRequest(body);
    const resolved = resolveModel(request.model, context.models);
    const { model } = resolved;
    const prompts = await context.promptsOf(model, request.revision);
    await checkDimensions(context, model, wantedDimensions(undefined, resolved));
    const cut = cutterOf(resolved.dimensions);
    const { onError } = request;
    const pairsOf = (results: readonly TextResult[]) =>
      inPlaces(
        request.pairs.map((pair) => outcomeOf(pair, results)),
        request.faults,
      );
    return {
      model,
      texts: request.texts.map((text) => ({ kind: "text", text })),
      prefix: promptFor(resolved.inputType, undefined, prompts),
      prompts,
      truncate: request.truncate,
      onError,
      textsDepend: true,
      revision: request.revision,
      itemOf: request.itemOf,
      field: request.itemOf(0).replace(/\[.*/, ""),
      charged: (results) => usedTexts(answered(pairsOf(results)), request.texts, results),
      answer(results, { usage }) {
        const vectors = results.map((text) => (isFailed(text) ? undefined : cut(text.vector)));
        const vectorAt = (at: number) => must(vectors[at], "a pair without a fault has two vectors");
        const places = pairsOf(results);
        const data = places.map((pair, index) =>
          isFailed(pair) ? errorItem(pair, index) : { index, similarity: cosine(vectorAt(pair[0]), vectorAt(pair[1])) },
        );
        const failed = places.filter(isFailed).length;
        const answer = { object: "list", data, model: model.id, usage: usageOfItems(usage, onError, failed) };
        return { body: { kind: "json", body: answer }, vectors: [] };
      },
    };
  },
};

type Pair = readonly [number, number];

/** The pair, or the fault of the first of its texts that has one. */
function outcomeOf(pair: Pair, results: readonly TextResult[]): Pair | FailedText {
  const texts = pair.map((at) => must(results[at], "a pair names texts of its request"));
  return texts.find(isFailed) ?? pair;
}

/**
 * The texts of `pairs`, each once. Where a text stood first in a pair that is not among them, its repetition here pays for
 * the computation.
 */
function usedTexts(pairs: readonly Pair[], texts: readonly string[], results: readonly TextResult[]): EmbeddedText[] {
  const computed = new Map<string, EmbeddedText>();
  for (const [at, result] of results.entries()) {
    if (isEmbedded(result) && !result.hit) computed.set(texts[at] ?? "", result);
  }
  return [...new Set(pairs.flat())].flatMap((at) => {
    const [text = "", result] = [texts[at], results[at]];
    if (result === undefined || isFailed(result)) return [];
    const first = computed.get(text);
    computed.delete(text);
    return [first ?? { ...result, hit: true }];
  });
}
