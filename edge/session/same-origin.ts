// Accepts only requests of our own pages. SameSite=Lax already keeps the cookie off cross-site posts; this check also
// stops a browser's quirk or a sibling subdomain.

import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../context.ts";
import { apiError } from "../../shared/errors.ts";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/**
 * Throws `cross_origin_refused` unless the request comes from a page of this origin. A GET or HEAD may also come from
 * the address bar.
 */
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
