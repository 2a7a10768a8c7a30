// Middleware of the public API: CORS and current models. It makes no promise of its own where nothing is waited for,
// since every call would pay for it.

import type { Next } from "hono";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { answerPreflight } from "./cors.ts";

/** The call's model is not known yet; asking for more would open too many connections (edge/lib/at-once.ts). */
const MODELS_AHEAD = 2;

export function publicApi(c: Context, next: Next): Promise<Response | void> {
  const preflight = answerPreflight(c);
  if (preflight !== undefined) return Promise.resolve(preflight);
  c.set("isPublicApi", true);
  const waiting = currentModels(c);
  return waiting === undefined ? next() : nextAfter(waiting, next);
}

async function nextAfter(waiting: Promise<void>, next: Next): Promise<void> {
  await waiting;
  await next();
}

/** Keeps the prices and statuses that requests see at most a minute old. Undefined, so no wait, unless they are too old. */
function currentModels(c: Context): Promise<void> | undefined {
  const { modelBook, pool } = c.get("services");
  // Both at once: a cold isolate knows neither, and the call needs both before its look-ups.
  for (const model of pool.models().slice(0, MODELS_AHEAD)) void pool.announced(model, waitUntilOf(c));
  return modelBook.keepFresh(waitUntilOf(c));
}
