// Prices and statuses that a request will see are at most a minute old: from memory, refreshed behind the requests.

import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../context.ts";
import { waitUntilOf } from "../context.ts";

export const currentModels = createMiddleware<AppEnv>(async (c, next) => {
  await c.get("services").modelBook.keepFresh(waitUntilOf(c));
  await next();
});
