// A call in another vendor's form: read by its adapter, answered by our own endpoint, shown by the adapter.

import * as z from "zod";
import { partsAnswer } from "../../answer/parts.ts";
import type { Context } from "../../context.ts";
import { elapsedMs } from "../../context.ts";
import { embeddings } from "../../endpoints/embeddings.ts";
import type { Endpoint } from "../../endpoints/endpoint.ts";
import { rerank } from "../../endpoints/rerank.ts";
import type { EmbeddingsAdapter, OwnCall, RerankAdapter } from "../../foreign/adapter.ts";
import { inNames } from "../../foreign/adapter.ts";
import type { CallOptions } from "../../metering/call-options.ts";
import { readCallOptions } from "../../metering/call-options.ts";
import { allHeaders } from "../../middleware/answer-headers.ts";
import { pathId } from "../../openapi/parameters.ts";
import { answerCall, contextOf, readCallBody } from "../call-answer.ts";
import { rankedSchema } from "../rerank.ts";
import { apiError } from "../../../shared/errors.ts";

/** Parameters of a path that names the model. */
export const MODEL_IN_PATH = [
  pathId("owner", "The part before the slash."),
  pathId("name", "The part after it; `@512` and `:query` may follow."),
];

const RERANK = rerank("1");
const rankingSchema = z.object({ results: z.array(rankedSchema) });

/** `model`: from the path; empty where the body names it. Throws ApiError, and then charges nothing. */
export async function foreignEmbeddings<Asked>(
  c: Context,
  { read, show }: EmbeddingsAdapter<Asked>,
  model = "",
): Promise<Response> {
  const options = readCallOptions(c);
  const { asked, ...call } = read(await readCallBody(c), model);
  const { body, headers, ...answer } = await ownAnswer(c, embeddings, options, call);
  if (body.kind !== "embeddings") throw new TypeError("embeddings answer vectors");
  const { dimensions, model: id } = body;
  const parts = show({ ...answer, dimensions, model: id, elapsedMs: elapsedMs(c) }, asked);
  return partsAnswer(c, parts, allHeaders(c, headers));
}

/** The same for a rerank. */
export async function foreignRerank(c: Context, { read, show }: RerankAdapter, model: string): Promise<Response> {
  const options = readCallOptions(c);
  const call = read(await readCallBody(c), model);
  const { body, headers } = await ownAnswer(c, RERANK, options, call);
  if (body.kind !== "json") throw new TypeError("a rerank answers no vectors");
  return c.json(show(rankingSchema.parse(body.body).results), 200, { ...headers });
}

/** The answer of our own endpoint, its faults in the vendor's names. */
async function ownAnswer(c: Context, endpoint: Endpoint, options: CallOptions, { own, names }: OwnCall) {
  try {
    const call = await endpoint.prepare(own, contextOf(c));
    if (call.onError === "per_item") throw noErrorsPerItem();
    return await answerCall(c, { scope: endpoint.scope, options }, call);
  } catch (error) {
    throw inNames(names, error);
  }
}

function noErrorsPerItem() {
  return apiError(
    "incompatible_options",
    "This form of answer has no place for an error per item: leave `:per_item` out, or send the call in our own form.",
    "model",
  );
}
