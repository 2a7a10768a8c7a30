// Headers of every answer: no browser takes it for another type than it says, and what was said to somebody who showed a
// key, the operator's key or a session is stored by nobody on the way, unless its route says otherwise.

import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../context.ts";

const OPERATOR_PREFIX = "/admin/";

export const privateAnswers = createMiddleware<AppEnv>(async (c, next) => {
  await next();
  const isPrivate =
    c.get("key") !== undefined || c.req.path.startsWith(OPERATOR_PREFIX) || c.res.headers.has("set-cookie");
  if (isPrivate && !c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
  c.header("x-content-type-options", "nosniff");
});
