// A page's own requests and nobody else's: SameSite=Lax keeps the cookie off cross-site posts, and this check refuses
// them as well, so that neither a browser's quirk nor a sibling subdomain is enough.

import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../context.ts";
import { apiError } from "../../shared/errors.ts";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Throws `cross_origin_refused` unless the request comes from a page of this origin. Reading may also be typed by hand. */
export const sameOrigin = createMiddleware<AppEnv>(async (c, next) => {
  const site = c.req.header("sec-fetch-site");
  const origin = c.req.header("origin");
  const isOurs = SAFE_METHODS.has(c.req.method)
    ? (site === undefined || site === "same-origin" || site === "none") && (origin === undefined || isOwn(origin))
    : origin !== undefined && isOwn(origin) && (site === undefined || site === "same-origin");
  if (!isOurs)
    throw apiError("cross_origin_refused", "This route serves the pages of this site alone: use /v1/… with a key.");
  await next();

  function isOwn(value: string): boolean {
    return value === new URL(c.req.url).origin;
  }
});
