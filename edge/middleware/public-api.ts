// Middleware of the public API: CORS, current models, and a record of refusals that a key's owner can mend. It is one
// middleware because every call pays for each one's frame.

import type { Next } from "hono";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { answerPreflight } from "./cors.ts";
import { noteRefusal } from "./note-refusals.ts";

/** The call's model is not known yet; asking for more would open too many connections (edge/lib/at-once.ts). */
const MODELS_AHEAD = 2;

export async function publicApi(c: Context, next: Next): Promise<Response | undefined> {
  const preflight = answerPreflight(c);
  if (preflight !== undefined) return preflight;
  c.set("isPublicApi", true);
  await currentModels(c);
  await next();
  noteRefusal(c);
  return undefined;
}

/** Keeps the prices and statuses that requests see at most a minute old. Undefined, so no wait, unless they are too old. */
function currentModels(c: Context): Promise<void> | undefined {
  const { modelBook, pool } = c.get("services");
  // Both at once: a cold isolate knows neither, and the call needs both before its look-ups.
  for (const model of pool.models().slice(0, MODELS_AHEAD)) void pool.announced(model, waitUntilOf(c));
  return modelBook.keepFresh(waitUntilOf(c));
}
