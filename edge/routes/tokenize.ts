// POST /v1/tokenize: the ids that the model would read, and the most that a call of /v1/embeddings with them would cost
// (every text a miss). Free; counts as one request.

import * as z from "zod";
import type { Context } from "../context.ts";
import { elapsedMs, waitUntilOf } from "../context.ts";
import { callTexts, prefixOf } from "../embedding/request-texts.ts";
import { readCallOptions } from "../metering/call-options.ts";
import { authorize } from "../middleware/authorize.ts";
import { readJson } from "../middleware/body.ts";
import { resolveModel } from "../models/models.ts";
import { costBound, pricesOf } from "../models/pricing.ts";
import { TEXT_ERRORS } from "../openapi/operation.ts";
import { MODEL, amountNanoUsd, count } from "./answers.ts";
import { CALL_HEADERS, contextOf } from "./call-answer.ts";
import type { Route } from "./route.ts";
import { usdNumber } from "../../shared/money.ts";
import { parseTokenizeRequest, tokenizeBodySchema } from "../../shared/schemas/tokenize.ts";

const tokensSchema = z.object({
  object: z.literal("list"),
  data: z.array(z.object({ index: count, tokens: z.array(count), count, fits: z.boolean() })),
  model: z.string(),
  total_tokens: count,
  cost_usd: z.number().nonnegative().describe("The most that embedding these texts costs: every text a cache miss."),
  cost_nano_usd: amountNanoUsd,
  batch_cost_nano_usd: amountNanoUsd,
  fits: z.boolean().describe("False: a text is over the context, and shown as `truncate: end` would cut it."),
});

export const TOKENIZE: Route = {
  method: "post",
  path: "/v1/tokenize",
  id: "tokenize",
  tag: "Embeddings",
  summary: "Token ids of texts, and a quote",
  description: "Free; counts as one request against the rate limit. The model does not run.",
  auth: "call",
  scope: "embeddings",
  parameters: CALL_HEADERS.filter(({ name }) => name === "Prefer" || name === "X-Request-Id"),
  body: {
    name: "TokenizeRequest",
    schema: tokenizeBodySchema,
    required: ["input"],
    example: { model: MODEL, input: "Hello" },
  },
  answers: {
    200: {
      description: "Ids by text, and what embedding them would cost.",
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

async function postTokenize(c: Context): Promise<Response> {
  const { config, models, pool } = c.get("services");
  const options = readCallOptions(c);
  const request = parseTokenizeRequest(await readJson(c, config.limits.bodyBytesMax));
  const resolved = resolveModel(request.model, models);
  c.set("called", { model: resolved.model.id, tier: options.tier });
  const prefix = prefixOf(request, resolved, await contextOf(c).promptsOf(resolved.model));
  await authorize(c, "embeddings");
  const texts = callTexts(request);
  const answer = await pool.tokenize(
    {
      model: resolved.model.id,
      accountId: c.get("key").accountId,
      tier: options.tier,
      // A text over the context is returned as it would be cut; `fits` says that it was too long.
      truncate: "end",
      prefix,
      texts,
    },
    {
      requestId: c.get("requestId"),
      traceparent: options.traceparent,
      deadlineMs: options.deadlineMs - elapsedMs(c),
      coldHoldMs: options.coldHoldMs,
      signal: c.req.raw.signal,
      waitUntil: waitUntilOf(c),
      itemOf: (index) => `input[${index}]`,
    },
  );
  let offset = 0;
  const data = answer.tokens.map((length, index) => {
    const tokens = [...answer.ids.subarray(offset, offset + length)];
    offset += length;
    return { index, tokens, count: length, fits: answer.truncated[index] !== true };
  });
  const cost = costBound(pricesOf(resolved.model, "interactive"), offset);
  c.header("x-model-revision", answer.revision);
  return c.json({
    object: "list",
    data,
    model: resolved.model.id,
    total_tokens: offset,
    cost_usd: usdNumber(cost),
    cost_nano_usd: cost,
    batch_cost_nano_usd: costBound(pricesOf(resolved.model, "batch"), offset),
    fits: data.every((item) => item.fits),
  });
}
