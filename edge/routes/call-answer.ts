// One call of an endpoint by its route: read, prepared as a line of a batch is, embedded, charged, answered.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import { callContext } from "../endpoints/endpoint.ts";
import type { ResultBody } from "../files/results.ts";
import { embedMetered } from "../metering/metered-call.ts";
import { readJson } from "../middleware/body.ts";
import { readCallOptions } from "../metering/call-options.ts";
import { usageHeaders, usageOf } from "../metering/usage-answer.ts";

interface CallAnswer {
  readonly body: ResultBody;
  readonly vectors: readonly Uint16Array[];
  readonly headers: Readonly<Record<string, string>>;
}

/** Throws ApiError, and charges nothing then. */
export async function callAnswer(c: Context, endpoint: Endpoint): Promise<CallAnswer> {
  const { config } = c.get("services");
  const options = readCallOptions(c);
  const body = await readJson(c, config.limits.bodyBytesMax);
  const call = await endpoint.prepare(body, contextOf(c));
  const result = await embedMetered(c, { ...call, scope: endpoint.scope, options });
  const { charge, callId, dimensions } = result;
  return {
    ...call.answer(result.texts, { callId, dimensions, usage: usageOf(charge) }),
    headers: usageHeaders(result),
  };
}

/** The same, answered as JSON. */
export async function answerJson(c: Context, endpoint: Endpoint): Promise<Response> {
  const { body, headers } = await callAnswer(c, endpoint);
  if (body.kind !== "json") throw new TypeError("an endpoint of vectors has its own writer");
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  return c.json(body.body);
}

/** What the request's client and this isolate know. */
export function contextOf(c: Context) {
  const { pool, models } = c.get("services");
  const decodesBlindly = c.req.header("x-stainless-lang") !== undefined;
  return callContext({ pool, models, waitUntil: waitUntilOf(c), decodesBlindly });
}
