// Keeps the prices and statuses that requests see at most a minute old: from memory, refreshed in the background. The
// backends' reports are asked for at the same time.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";

/** The call's model is not known yet; asking for more would open too many connections (edge/lib/at-once.ts). */
const MODELS_AHEAD = 2;

/** Resolves at once unless what is known is too old. */
export async function currentModels(c: Context): Promise<void> {
  const { modelBook, pool } = c.get("services");
  // Both at once: a cold isolate knows neither, and the call needs both before its look-ups.
  for (const model of pool.models().slice(0, MODELS_AHEAD)) void pool.announced(model, waitUntilOf(c));
  await modelBook.keepFresh(waitUntilOf(c));
}
