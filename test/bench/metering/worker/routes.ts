// What the metering bench compares with, and an account for it.

import { isEmbedded } from "../../../../edge/embedding/types.ts";
import { embeddingsAnswer } from "../../../../edge/answer/embeddings-answer.ts";
import type { Env } from "../../../../edge/bindings.ts";
import type { Context } from "../../../../edge/context.ts";
import { waitUntilOf } from "../../../../edge/context.ts";
import { callTexts, prefixOf } from "../../../../edge/embedding/request-texts.ts";
import { promptsOf } from "../../../../edge/embedding/prompts.ts";
import { readJson } from "../../../../edge/middleware/body.ts";
import { readCallOptions } from "../../../../edge/metering/call-options.ts";
import { resolveModel } from "../../../../edge/models/models.ts";
import { idFromBytes, newId } from "../../../../shared/ids.ts";
import { nanoUsd } from "../../../../shared/money.ts";
import { parseEmbeddingsRequest } from "../../../../shared/schemas/embeddings.ts";

const CREDIT = 1_000_000_000_000_000;
const NOBODY = idFromBytes("account", new Uint8Array(10));

/** `POST /v1/embeddings` without key, wallet and limits. */
export async function postBare(c: Context): Promise<Response> {
  const { config, models, pool, embedTexts } = c.get("services");
  const options = readCallOptions(c);
  const request = parseEmbeddingsRequest(await readJson(c, config.limits.bodyBytesMax));
  const resolved = resolveModel(request.model, models);
  const prompts = promptsOf(resolved.model, pool.lastAnnounced(resolved.model.id));
  const looking = embedTexts.start({
    model: resolved.model.id,
    accountId: NOBODY,
    tier: options.tier,
    texts: callTexts(request),
    prefix: prefixOf(request, resolved, prompts),
    prompts,
    truncate: request.truncate,
    cacheMode: "standard",
    noStore: options.noStore,
    requestId: c.get("requestId"),
    traceparent: options.traceparent,
    deadlineMs: options.deadlineMs,
    coldHoldMs: options.coldHoldMs,
    signal: c.req.raw.signal,
    waitUntil: waitUntilOf(c),
  });
  await pool.announced(resolved.model.id, waitUntilOf(c));
  const result = await looking.finish("standard");
  const texts = result.texts.filter(isEmbedded);
  const tokens = texts.reduce((sum, text) => sum + text.tokens, 0);
  const body = {
    vectors: texts.map((text) => text.vector),
    dimensions: request.dimensions ?? result.dimensions,
    dtype: request.dtype,
    encoding: request.encoding,
    model: resolved.model.id,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    pairs: request.input.kind === "pairs",
  };
  return embeddingsAnswer(c, body, { "x-model-revision": result.revision });
}

/** An account whose credit and limits the bench does not reach. */
export async function openAccount(c: Context): Promise<Response> {
  const env: Env = c.env;
  const id = newId("account");
  const account = env.ACCOUNT.get(env.ACCOUNT.idFromName(id));
  const grant = { id: "credit", kind: "paid" as const, amountNanoUsd: nanoUsd(CREDIT) };
  await account.setUp({ accountId: id, name: "Bench" }, grant, "bench");
  await account.setLimits({ requestsPerMinute: 1_000_000_000, tokensPerMinute: 1_000_000_000 }, "bench");
  const created = await account.createKey(id, { name: "bench", scopes: ["embeddings"], cache: "standard" }, "bench");
  if (typeof created !== "object" || !("key" in created)) throw new Error("no key");
  return c.json({ key: created.key });
}
