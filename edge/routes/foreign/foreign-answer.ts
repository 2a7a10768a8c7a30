// A call in another vendor's form: read by its adapter, answered by our own endpoint, shown by the adapter.

import { partsAnswer } from "../../answer/parts.ts";
import type { Context } from "../../context.ts";
import { elapsedMs } from "../../context.ts";
import { embeddings } from "../../endpoints/embeddings.ts";
import type { EmbeddingsAdapter } from "../../foreign/adapter.ts";
import { inNames } from "../../foreign/adapter.ts";
import { readCallOptions } from "../../metering/call-options.ts";
import { allHeaders } from "../../middleware/answer-headers.ts";
import { answerCall, contextOf, readCallBody } from "../call-answer.ts";
import { apiError } from "../../../shared/errors.ts";

/** `model`: from the path; empty where the body names it. Throws ApiError, and then charges nothing. */
export async function foreignEmbeddings<Asked>(
  c: Context,
  adapter: EmbeddingsAdapter<Asked>,
  model = "",
): Promise<Response> {
  try {
    const options = readCallOptions(c);
    const { own, asked } = adapter.read(await readCallBody(c), model);
    const call = await embeddings.prepare(own, contextOf(c));
    if (call.onError === "per_item") throw noErrorsPerItem();
    const { body, headers, ...answer } = await answerCall(c, { scope: embeddings.scope, options }, call);
    if (body.kind !== "embeddings") throw new TypeError("embeddings answer vectors");
    const { dimensions, model: id } = body;
    const parts = adapter.show({ ...answer, dimensions, model: id, elapsedMs: elapsedMs(c) }, asked);
    return partsAnswer(c, parts, allHeaders(c, headers));
  } catch (error) {
    throw inNames(adapter.names, error);
  }
}

function noErrorsPerItem() {
  return apiError(
    "incompatible_options",
    "This form of answer has no place for an error per item: leave `:per_item` out, or send POST /v1/embeddings.",
    "model",
  );
}
