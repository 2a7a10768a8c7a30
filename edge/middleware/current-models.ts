// Prices and statuses that a request will see are at most a minute old: from memory, refreshed behind the requests; what
// the backends announce is asked for at the same time.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";

/** Which model is meant is not known yet; more would open too many connections (edge/lib/at-once.ts). */
const MODELS_AHEAD = 2;

/** Settles at once unless what is known is too old. */
export async function currentModels(c: Context): Promise<void> {
  const { modelBook, pool } = c.get("services");
  // Side by side: in a cold isolate neither is known, and the call needs both before it can look anything up.
  for (const model of pool.models().slice(0, MODELS_AHEAD)) void pool.announced(model, waitUntilOf(c));
  await modelBook.keepFresh(waitUntilOf(c));
}
