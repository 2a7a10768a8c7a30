// POST /v1/embeddings (and /embeddings): texts or token ids in, vectors out. Rules: product.md.

import { embeddingsAnswer } from "../answer/embeddings-answer.ts";
import type { Context } from "../context.ts";
import { checkDimensions, dimensionsOf } from "../dimensions.ts";
import { cacheTexts, prefixOf } from "../embedding/request-texts.ts";
import { embedMetered } from "../metered-call.ts";
import { readJson } from "../middleware/body.ts";
import { readCallOptions } from "../middleware/call-options.ts";
import { resolveModel } from "../models.ts";
import { usageHeaders, usageOf } from "../usage-answer.ts";
import { apiError } from "../../shared/errors.ts";
import type { EmbeddingsRequest } from "../../shared/schemas/embeddings.ts";
import { parseEmbeddingsRequest } from "../../shared/schemas/embeddings.ts";

export async function postEmbeddings(c: Context): Promise<Response> {
  const { config, models } = c.get("services");
  const options = readCallOptions(c);
  const request = parseEmbeddingsRequest(await readJson(c, config.limits.bodyBytesMax));
  const resolved = resolveModel(request.model, models);
  const dimensions = dimensionsOf(request, resolved);
  await checkDimensions(c, resolved.model, dimensions);
  checkDtype(c, request, dimensions);
  const result = await embedMetered(c, {
    model: resolved.model,
    scope: "embeddings",
    texts: cacheTexts(request),
    prefix: prefixOf(request, resolved),
    truncate: request.truncate,
    options,
  });
  return embeddingsAnswer(c, {
    vectors: result.texts.map((text) => text.vector),
    dimensions: dimensions ?? result.dimensions,
    dtype: request.dtype,
    encoding: request.encoding,
    model: resolved.model.id,
    usage: usageOf(result.charge),
    pairs: request.input.kind === "pairs",
    headers: usageHeaders(result.charge, result.admission, result),
  });
}

/** OpenAI's SDKs decode base64 as float32 whatever it holds: wrong numbers without an error, so it is refused. */
function checkDtype(c: Context, request: EmbeddingsRequest, dimensions: number | undefined): void {
  const { dtype, encoding } = request;
  if (dtype === "float") return;
  if (encoding === "base64" && c.req.header("x-stainless-lang") !== undefined) {
    throw apiError(
      "incompatible_options",
      `OpenAI's SDKs would decode base64 of ${dtype} as floats: send \`encoding_format: "float"\` with this \`output_dtype\`.`,
      "output_dtype",
    );
  }
  if ((dtype === "binary" || dtype === "ubinary") && dimensions !== undefined && dimensions % 8 !== 0) {
    throw apiError(
      "invalid_dimensions",
      `\`output_dtype\` "${dtype}" packs eight dimensions into a byte: \`dimensions\` must be divisible by 8, not ${dimensions}.`,
      "dimensions",
    );
  }
}
