// /v1/embeddings: texts or token ids in, vectors out. Rules: docs/contract.md, Embeddings.

import { callTexts, itemName, prefixOf } from "../embedding/request-texts.ts";
import { isEmbedded } from "../embedding/types.ts";
import type { ResolvedModel } from "../models/models.ts";
import { resolveModel } from "../models/models.ts";
import { apiError } from "../../shared/errors.ts";
import type { EmbeddingsRequest } from "../../shared/schemas/embeddings.ts";
import { parseEmbeddingsRequest } from "../../shared/schemas/embeddings.ts";
import { checkDimensions, wantedDimensions } from "./dimensions.ts";
import type { CallContext, LineEndpoint, PreparedCall } from "./endpoint.ts";
import type { Prompts } from "../../shared/wire.ts";
import { answered, errorItems, inPlaces, usageOfItems } from "./items.ts";

export const embeddings: LineEndpoint = {
  scope: "embeddings",

  countTexts({ input }) {
    if (!Array.isArray(input)) return 1;
    const [first]: readonly unknown[] = input;
    if (typeof first === "number") return 1;
    return Array.isArray(first) && typeof first[0] === "string" ? input.length * 2 : input.length;
  },

  prepare(body, context) {
    const request = parseEmbeddingsRequest(body);
    const resolved = resolveModel(request.model, context.models);
    const prompts = context.promptsOf(resolved.model, request.revision);
    return prompts instanceof Promise
      ? prompts.then((known) => checked(request, resolved, known, context))
      : checked(request, resolved, prompts, context);
  },
};

/** The call of a request, once its dimensions have been checked. */
function checked(
  request: EmbeddingsRequest,
  resolved: ResolvedModel,
  prompts: Prompts,
  context: CallContext,
): PreparedCall | Promise<PreparedCall> {
  const wanted = wantedDimensions(request.dimensions, resolved);
  const checking = checkDimensions(context, resolved.model, wanted, request.dtype);
  const call = (): PreparedCall => {
    checkDecoding(context, request);
    return callOf(request, resolved, prompts, wanted.count);
  };
  return checking === undefined ? call() : checking.then(call);
}

/** `dimensions` undefined: the model's own. */
function callOf(
  request: EmbeddingsRequest,
  resolved: ResolvedModel,
  prompts: Prompts,
  dimensions: number | undefined,
): PreparedCall {
  const { model } = resolved;
  const { onError, input } = request;
  const { faults } = input;
  return {
    model,
    texts: callTexts(request),
    prefix: prefixOf(request, resolved, prompts),
    prompts,
    truncate: request.truncate,
    onError,
    revision: request.revision,
    itemOf: (index) => itemName(input, index),
    field: "input",
    charged: (results) => answered(inPlaces(results, faults)),
    answer(results, { usage, dimensions: native }) {
      const places = inPlaces(results, faults);
      const errors = errorItems(places);
      return {
        body: {
          kind: "embeddings",
          dimensions: dimensions ?? native,
          dtype: request.dtype,
          encoding: request.encoding,
          model: model.id,
          usage: usageOfItems(usage, onError, errors.length),
          pairs: input.kind === "pairs",
          ...(errors.length > 0 && { errors }),
        },
        vectors: results.filter(isEmbedded).map(({ vector }) => vector),
      };
    },
  };
}

/** OpenAI's SDKs decode base64 as float32 whatever it holds: wrong numbers without an error, so it is refused. */
function checkDecoding({ decodesBlindly }: CallContext, { dtype, encoding }: EmbeddingsRequest): void {
  if (dtype === "float" || encoding !== "base64" || !decodesBlindly) return;
  throw apiError(
    "incompatible_options",
    `OpenAI's SDKs would decode base64 of ${dtype} as floats: send \`encoding_format: "float"\` with this \`output_dtype\`.`,
    "output_dtype",
  );
}
