// /v1/similarity: the cosine of each pair of texts.

import { promptFor } from "../embedding/prompts.ts";
import { resolveModel } from "../models/models.ts";
import { parseSimilarityRequest } from "../../shared/schemas/similarity.ts";
import { cosine } from "../../shared/vectors.ts";
import { checkDimensions, cutterOf, wantedDimensions } from "./dimensions.ts";
import type { Endpoint } from "./endpoint.ts";

export const similarity: Endpoint = {
  scope: "embeddings",

  async prepare(body, context) {
    const request = parseSimilarityRequest(body);
    const resolved = resolveModel(request.model, context.models);
    const { model } = resolved;
    const prompts = await context.promptsOf(model);
    await checkDimensions(context, model, wantedDimensions(undefined, resolved));
    const cut = cutterOf(resolved.dimensions);
    return {
      model,
      texts: request.texts.map((text) => ({ kind: "text", text })),
      prefix: promptFor(resolved.inputType, undefined, prompts),
      prompts,
      truncate: request.truncate,
      itemOf: request.itemOf,
      field: request.itemOf(0).replace(/\[.*/, ""),
      answer(embedded, { usage }) {
        const vectors = embedded.map(({ vector }) => cut(vector));
        const data = request.pairs.map(([a, b], index) => {
          const [first, second] = [vectors[a], vectors[b]];
          if (first === undefined || second === undefined) throw new TypeError("a pair names texts of its request");
          return { index, similarity: cosine(first, second) };
        });
        return { body: { kind: "json", body: { object: "list", data, model: model.id, usage } }, vectors: [] };
      },
    };
  },
};
