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
    const prompts = await context.promptsOf(model);
    await checkDimensions(context, model, wantedDimensions(undefined, resolved));
    const cut = cutterOf(resolved.dimensions);
    const { onError } = request;
    const pairsOf = (results: readonly TextResult[]) =>
      inPlaces(
        request.pairs.map((pair) => pairOf(pair, results)),
        request.faults,
      );
    return {
      model,
      texts: request.texts.map((text) => ({ kind: "text", text })),
      prefix: promptFor(resolved.inputType, undefined, prompts),
      prompts,
      truncate: request.truncate,
      onError,
      itemOf: request.itemOf,
      field: request.itemOf(0).replace(/\[.*/, ""),
      charged(results) {
        // A text of which no pair has an answer costs nothing.
        const used = new Set<TextResult>(answered(pairsOf(results)).flat());
        return results.filter(isEmbedded).filter((text) => used.has(text));
      },
      answer(results, { usage }) {
        const vectors = new Map(results.filter(isEmbedded).map((text) => [text, cut(text.vector)]));
        const vectorOf = (text: EmbeddedText) => must(vectors.get(text), "a pair's text is one of the results");
        const places = pairsOf(results);
        const data = places.map((pair, index) =>
          isFailed(pair) ? errorItem(pair, index) : { index, similarity: cosine(vectorOf(pair[0]), vectorOf(pair[1])) },
        );
        const failed = places.filter(isFailed).length;
        const answer = { object: "list", data, model: model.id, usage: usageOfItems(usage, onError, failed) };
        return { body: { kind: "json", body: answer }, vectors: [] };
      },
    };
  },
};

/** Its two texts, or the fault of the first that has one. */
function pairOf(
  [a, b]: readonly [number, number],
  results: readonly TextResult[],
): readonly [EmbeddedText, EmbeddedText] | FailedText {
  const first = must(results[a], "a pair names texts of its request");
  const second = must(results[b], "a pair names texts of its request");
  if (isFailed(first)) return first;
  return isFailed(second) ? second : [first, second];
}
