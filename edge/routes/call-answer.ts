// One call of an endpoint: read, prepared like a line of a batch, embedded, charged and answered. And what the document
// says about every such call.

import * as z from "zod";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import type { Endpoint, PreparedCall } from "../endpoints/endpoint.ts";
import { callContext } from "../endpoints/endpoint.ts";
import type { ResultBody } from "../files/results.ts";
import { headerRevision, readCallOptions, requiredRevision } from "../metering/call-options.ts";
import { embedMetered } from "../metering/metered-call.ts";
import type { MeteredResult } from "../metering/admitted-call.ts";
import type { MeteredTexts } from "../metering/metered-call.ts";
import { usageHeaders, usageOf } from "../metering/usage-answer.ts";
import type { UsageAnswer } from "../metering/usage-answer.ts";
import { readJson } from "../middleware/body.ts";
import type { Answer, Parameter } from "../openapi/operation.ts";
import { header, idempotencyKey, text } from "../openapi/parameters.ts";
import { count } from "./answers.ts";

export const usageSchema = z.object({
  prompt_tokens: count.describe("Tokens that the model read: instruction and ending token included, after truncation."),
  total_tokens: count,
  prompt_tokens_details: z.object({ cached_tokens: count }),
  cost: z.number().nonnegative().describe("USD."),
  failed_items: count.describe('With `on_error: "per_item"`: items that have an error, and cost nothing.').optional(),
});

/** In the place of an item at fault. */
export const errorItemSchema = z
  .object({
    object: z.literal("error"),
    index: count,
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.nullable(z.string()).describe("The item, as you wrote it."),
      code: z.string(),
    }),
  })
  .describe('An item at fault, of a call with `on_error: "per_item"`.');

export const USAGE = {
  prompt_tokens: 4,
  total_tokens: 4,
  prompt_tokens_details: { cached_tokens: 0 },
  cost: 0.000000032,
};

/** Request headers of a call. */
export const CALL_HEADERS: readonly Parameter[] = [
  header("X-Tier", "`batch`: the batch price and its patience.", { enum: ["interactive", "batch"] }),
  header("X-Max-Cost", "USD: refused before any work when the quote is higher.", {
    type: "string",
    pattern: "^\\d{1,7}(\\.\\d{1,9})?$",
  }),
  header(
    "X-Require-Revision",
    "Refuse the call, with 409 `revision_changed`, where the model is not served in this revision; the field `revision` says the same.",
    { type: "string", pattern: "^[0-9a-f]{16,64}$" },
  ),
  header("Prefer", "`wait=N`: hold a call to a cold model so many seconds, up to 120."),
  idempotencyKey("Per account and route, for 24 hours: the same call again gets the first answer and is charged once."),
  header("Cache-Control", "`no-store`: neither read nor write the embedding cache."),
  header("X-Request-Id", "Echoed if it is well formed; only for tracing."),
];

const RATE_HEADERS: NonNullable<Answer["headers"]> = {
  "x-ratelimit-limit-requests": text("Requests a minute."),
  "x-ratelimit-remaining-requests": text("As known where the call was served."),
  "x-ratelimit-reset-requests": text("A duration: `250ms`, `6m0s`."),
  "x-ratelimit-limit-tokens": text("Tokens a minute."),
  "x-ratelimit-remaining-tokens": text("As known where the call was served."),
  "x-ratelimit-reset-tokens": text("A duration."),
};

/** Headers of the answer to a charged call. */
export const SPENDING_HEADERS: NonNullable<Answer["headers"]> = {
  "x-cache": text("Whether the texts came from the embedding cache.", { enum: ["hit", "miss", "partial"] }),
  "x-cost-usd": text("The call's cost in USD."),
  "x-credit-remaining-usd": text("As known where the call was served."),
  "x-model-revision": text("Vectors of one revision are comparable."),
  "server-timing": text("Milliseconds by stage."),
  ...RATE_HEADERS,
};

interface CallAnswer {
  readonly body: ResultBody;
  readonly vectors: readonly Uint16Array[];
  /** Its reader may add to them. */
  readonly headers: Record<string, string>;
  /** The id of the charge. */
  readonly callId: string;
  readonly usage: UsageAnswer;
}

/** Rejects with ApiError, and then charges nothing. */
export async function callAnswer(c: Context, endpoint: Endpoint): Promise<CallAnswer> {
  const options = readCallOptions(c);
  const body = await readCallBody(c);
  const prepared = endpoint.prepare(body, contextOf(c));
  const call = prepared instanceof Promise ? await prepared : prepared;
  return answerOf(call, await embedPrepared(c, { scope: endpoint.scope, options }, call));
}

/** The parsed body of a call. Rejects with ApiError. */
export function readCallBody(c: Context): Promise<unknown> {
  return readJson(c, c.get("services").config.limits.bodyBytesMax);
}

/** The rest of a call whose body is prepared. Rejects with ApiError, and then charges nothing. */
export async function answerCall(
  c: Context,
  terms: Pick<MeteredTexts, "scope" | "options">,
  call: PreparedCall,
): Promise<CallAnswer> {
  return answerOf(call, await embedPrepared(c, terms, call));
}

function embedPrepared(
  c: Context,
  { scope, options }: Pick<MeteredTexts, "scope" | "options">,
  call: PreparedCall,
): Promise<MeteredResult> {
  return embedMetered(c, { ...call, revision: requiredRevision(options, call.revision), scope, options });
}

function answerOf(call: PreparedCall, result: MeteredResult): CallAnswer {
  const { charge, callId, dimensions } = result;
  const usage = usageOf(charge);
  return { ...call.answer(result.texts, { callId, dimensions, usage }), headers: usageHeaders(result), callId, usage };
}

/** The same call, answered as JSON. */
export async function answerJson(c: Context, endpoint: Endpoint): Promise<Response> {
  const { body, headers } = await callAnswer(c, endpoint);
  if (body.kind !== "json") throw new TypeError("an endpoint of vectors has its own writer");
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  return c.json(body.body);
}

/** The call context: from the request's client and the isolate's services. */
export function contextOf(c: Context) {
  const { pool, models } = c.get("services");
  const decodesBlindly = c.req.header("x-stainless-lang") !== undefined;
  return callContext({ pool, models, waitUntil: waitUntilOf(c), decodesBlindly, revision: headerRevision(c) });
}
