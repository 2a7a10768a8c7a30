// POST /v1/tokenize: the ids that the model would read, and the most that a call of /v1/embeddings or /v1/rerank with them
// would cost (every text a miss). Free; counts as one request.

import * as z from "zod";
import type { Context } from "../context.ts";
import { elapsedMs, waitUntilOf } from "../context.ts";
import { itemFault } from "../backend/faults.ts";
import { callTexts, itemName, prefixOf } from "../embedding/request-texts.ts";
import { isFailed } from "../embedding/types.ts";
import { answered, errorItem, inPlaces } from "../endpoints/items.ts";
import { readCallOptions, requiredRevision } from "../metering/call-options.ts";
import type { PreparedCall } from "../endpoints/endpoint.ts";
import { rerank } from "../endpoints/rerank.ts";
import type { Scope } from "../ledger/types.ts";
import { authorize } from "../middleware/authorize.ts";
import { readJson } from "../middleware/body.ts";
import { resolveModel } from "../models/models.ts";
import { costBound, pricesOf } from "../models/pricing.ts";
import { TEXT_ERRORS } from "../openapi/operation.ts";
import { MODEL, amountNanoUsd, count } from "./answers.ts";
import { CALL_HEADERS, contextOf, errorItemSchema } from "./call-answer.ts";
import type { Route } from "./route.ts";
import { usdNumber } from "../../shared/money.ts";
import { NO_FAULTS } from "../../shared/schemas/items.ts";
import { rerankBodySchema } from "../../shared/schemas/rerank.ts";
import { parseTokenizeRequest, quotesRerank, tokenizeBodySchema } from "../../shared/schemas/tokenize.ts";

const tokensSchema = z.object({
  object: z.literal("list"),
  data: z.array(
    z.union([z.object({ index: count, tokens: z.array(count), count, fits: z.boolean() }), errorItemSchema]),
  ),
  model: z.string(),
  total_tokens: count,
  cost_usd: z.number().nonnegative().describe("The most that the call costs: every text, or pair, a cache miss."),
  cost_nano_usd: amountNanoUsd,
  batch_cost_nano_usd: amountNanoUsd,
  fits: z.boolean().describe("False: a text is over the context, and shown as `truncate: end` would cut it."),
});

const RERANK = rerank("1");
const TEXT_FIELDS = tokenizeBodySchema.shape;
const RERANK_FIELDS = rerankBodySchema.shape;

export const TOKENIZE: Route = {
  method: "post",
  path: "/v1/tokenize",
  id: "tokenize",
  tag: "Embeddings",
  summary: "Token ids of texts, and a quote",
  description:
    "Free; counts as one request against the rate limit. The model does not run. A body with `query` and `documents` is quoted as one of /v1/rerank: each item is a pair for a reranker; for an embedding model the query comes first, then the documents.",
  auth: "call",
  scope: "embeddings",
  parameters: CALL_HEADERS.filter(({ name }) => ["Prefer", "X-Require-Revision", "X-Request-Id"].includes(name)),
  body: {
    name: "TokenizeRequest",
    schema: z.strictObject({ ...RERANK_FIELDS, ...TEXT_FIELDS }),
    rules: {
      oneOf: [{ required: ["input"] }, { required: ["query", "documents"] }],
      dependentRequired: Object.fromEntries([
        ...Object.keys(RERANK_FIELDS).flatMap((name) => (name in TEXT_FIELDS ? [] : [[name, ["documents"]]])),
        ["token_encoding", ["input"]],
      ]),
    },
    example: { model: MODEL, input: "Hello" },
  },
  answers: {
    200: {
      description: "Ids by text, or by pair, and what the call would cost.",
      name: "Tokens",
      schema: tokensSchema,
      example: {
        object: "list",
        data: [{ index: 0, tokens: [9707, 151643], count: 2, fits: true }],
        model: MODEL,
        total_tokens: 2,
        cost_usd: 0.000000016,
        cost_nano_usd: 16,
        batch_cost_nano_usd: 8,
        fits: true,
      },
    },
  },
  errors: TEXT_ERRORS,
  handler: postTokenize,
};

type Quoted = Pick<
  PreparedCall,
  "model" | "texts" | "prefix" | "query" | "onError" | "revision" | "notSent" | "itemOf"
> & { readonly scope: Scope };

async function quotedCall(c: Context, body: unknown): Promise<Quoted> {
  const context = contextOf(c);
  if (quotesRerank(body)) return { ...(await RERANK.prepare(body, context)), scope: RERANK.scope };
  const request = parseTokenizeRequest(body);
  const resolved = resolveModel(request.model, context.models);
  return {
    model: resolved.model,
    texts: callTexts(request),
    prefix: prefixOf(request, resolved, await context.promptsOf(resolved.model, request.revision)),
    onError: request.onError,
    revision: request.revision,
    notSent: request.input.faults,
    itemOf: (index) => itemName(request.input, index),
    scope: "embeddings",
  };
}

async function postTokenize(c: Context): Promise<Response> {
  const { config, pool } = c.get("services");
  const options = readCallOptions(c);
  const { model, texts, prefix, query, onError, revision, notSent, itemOf, scope } = await quotedCall(
    c,
    await readJson(c, config.limits.bodyBytesMax),
  );
  c.set("called", { model: model.id, tier: options.tier });
  await authorize(c, scope);
  const answer = await pool.tokenize(
    {
      model: model.id,
      accountId: c.get("key").accountId,
      tier: options.tier,
      // A text over the context is returned as it would be cut; `fits` says that it was too long.
      truncate: "end",
      prefix,
      query,
      texts,
      onError,
    },
    {
      requestId: c.get("requestId"),
      traceparent: options.traceparent,
      deadlineMs: options.deadlineMs - elapsedMs(c),
      coldHoldMs: options.coldHoldMs,
      signal: c.req.raw.signal,
      waitUntil: waitUntilOf(c),
      itemOf,
    },
    requiredRevision(options, revision),
  );
  const faultAt = new Map(
    (answer.faults ?? []).map((fault) => [fault.index, itemFault(fault, { model: model.id, query }, itemOf)]),
  );
  let offset = 0;
  const counted = answer.tokens.map((length, index) => {
    const fault = faultAt.get(index);
    if (fault !== undefined) return { fault };
    const tokens = [...answer.ids.subarray(offset, offset + length)];
    offset += length;
    return { tokens, count: length, fits: answer.truncated[index] !== true };
  });
  const places = inPlaces(counted, notSent ?? NO_FAULTS);
  const fits = answered(places).every((item) => item.fits);
  const data = places.map((item, index) => (isFailed(item) ? errorItem(item, index) : { index, ...item }));
  const cost = costBound(pricesOf(model, "interactive"), offset);
  c.header("x-model-revision", answer.revision);
  return c.json({
    object: "list",
    data,
    model: model.id,
    total_tokens: offset,
    cost_usd: usdNumber(cost),
    cost_nano_usd: cost,
    batch_cost_nano_usd: costBound(pricesOf(model, "batch"), offset),
    fits,
  });
}
