// POST /v1/tokenize: the ids the model would read, and what a call of /v1/embeddings with them would cost at most
// (every text a miss). Free, and one request against the rate limit.

import { authorize } from "../middleware/authorize.ts";
import type { Context } from "../context.ts";
import { elapsedMs, waitUntilOf } from "../context.ts";
import { callTexts, prefixOf } from "../embedding/request-texts.ts";
import { readJson } from "../middleware/body.ts";
import { readCallOptions } from "../metering/call-options.ts";
import { resolveModel } from "../models/models.ts";
import { contextOf } from "./call-answer.ts";
import { costBound, pricesOf } from "../models/pricing.ts";
import { usdNumber } from "../../shared/money.ts";
import { parseTokenizeRequest } from "../../shared/schemas/tokenize.ts";

export async function postTokenize(c: Context): Promise<Response> {
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
      // A text over the context is shown as it would be cut, and `fits` says that it does not fit.
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
  const data = answer.tokens.map((count, index) => {
    const tokens = [...answer.ids.subarray(offset, offset + count)];
    offset += count;
    return { index, tokens, count, fits: answer.truncated[index] !== true };
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
