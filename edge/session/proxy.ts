// Forwards a signed-in page's requests to the public API: /dashboard/api/v1/… is /v1/… with the session's key. A page
// can do exactly what its key can do; there is no second, inner API. Answers are private: never stored, no CORS.

import type { Hono } from "hono";
import type { AppEnv, Context } from "../context.ts";
import { faultResponse } from "../middleware/errors.ts";
import { dropCookie, readSession } from "./session.ts";
import { apiError } from "../../shared/errors.ts";

/** Where the pages' scripts find the API. */
export const PROXY_PREFIX = "/dashboard/api";

/** The caller's address is forwarded too, because a key's address list holds for its session. */
const FORWARDED_HEADERS = [
  "accept",
  "cf-connecting-ip",
  "content-encoding",
  "content-length",
  "content-type",
  "idempotency-key",
  "prefer",
  "x-max-cost",
  "x-require-revision",
  "x-tier",
] as const;

/** The pages' API has no CORS; and a browser would answer `www-authenticate` with its own prompt. */
const DROPPED_HEADERS = ["access-control-allow-origin", "access-control-expose-headers", "www-authenticate"] as const;

/** Passes the request on to `app` with the session's key; `missing_api_key` without a session. */
export async function proxyToApi(c: Context, app: Hono<AppEnv>): Promise<Response> {
  const session = await readSession(c);
  if (session === undefined) {
    c.res = faultResponse(c, apiError("missing_api_key", "You are not signed in, or your session is over.").fault);
    dropCookie(c);
    return c.res;
  }
  const url = new URL(c.req.url);
  url.pathname = url.pathname.slice(PROXY_PREFIX.length);
  const headers = new Headers({ authorization: `Bearer ${session.apiKey}` });
  for (const name of FORWARDED_HEADERS) {
    const value = c.req.header(name);
    if (value !== undefined) headers.set(name, value);
  }
  const { method, body, signal } = c.req.raw;
  const request = new Request(url, { method, headers, signal, ...(body === null ? {} : { body }) });
  const answer = await app.fetch(request, c.env, c.executionCtx);
  // A key that no longer works ends the session.
  if (answer.status === 401) dropCookie(c);
  const response = c.newResponse(answer.body, answer);
  for (const name of DROPPED_HEADERS) response.headers.delete(name);
  response.headers.set("cache-control", "no-store");
  response.headers.set("vary", "Cookie");
  return response;
}
