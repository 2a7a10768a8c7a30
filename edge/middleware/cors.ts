// CORS for the public API only: any origin may call it with a key; pages and operator routes get none. Errors have the
// headers too: without them a browser shows "network error" instead of our message.

import type { Context } from "../context.ts";

const EXPOSED = [
  "x-request-id",
  "x-ratelimit-limit-requests",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-reset-requests",
  "x-ratelimit-limit-tokens",
  "x-ratelimit-remaining-tokens",
  "x-ratelimit-reset-tokens",
  "x-cache",
  "x-cost-usd",
  "x-credit-remaining-usd",
  "x-model-revision",
  "x-idempotent-replayed",
  "link",
  "x-should-retry",
  "server-timing",
  "retry-after",
  "retry-after-ms",
].join(", ");
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const PREFLIGHT_LIFE_S = "86400";

/** The answer to a preflight; undefined for any other request. */
export function answerPreflight(c: Context): Response | undefined {
  if (c.req.method !== "OPTIONS" || c.req.header("access-control-request-method") === undefined) return undefined;
  return c.newResponse(null, {
    status: 204,
    headers: {
      "access-control-allow-origin": "*",
      "access-control-allow-methods": METHODS,
      "access-control-allow-headers": c.req.header("access-control-request-headers") ?? "*",
      "access-control-max-age": PREFLIGHT_LIFE_S,
      vary: "Access-Control-Request-Headers",
    },
  });
}

export const anyOrigin = { "access-control-allow-origin": "*", "access-control-expose-headers": EXPOSED };
