// One log line a request, without texts, keys or query strings: only what an operator needs to find it. Every 5xx gets
// a line, with the fault's message and its cause; of the other answers a share does (`LOG_REQUESTS`), since a line for
// each request has a price.

import { routePath } from "hono/route";
import type { AppEnv, Context } from "../context.ts";
import { elapsedMs, waitUntilOf } from "../context.ts";
import { describeError, writeLog } from "../lib/log.ts";

/** Called once the answer's status is known; a streamed body is still being sent then. */
export function logAnswer(c: Context): void {
  const { status } = c.res;
  const isOurFault = status >= 500 && c.get("fault") !== undefined;
  const services: AppEnv["Variables"]["services"] | undefined = c.get("services");
  if (isOurFault) services?.faultCounts.count(c.get("fault")?.code ?? "internal_error", waitUntilOf(c));
  if (isOurFault || Math.random() < (services?.config.LOG_REQUESTS ?? 0)) logRequest(c, status, isOurFault);
}

/** The route as registered (`/v1/models/:id`), never the path: a path may hold a key. */
function logRequest(c: Context, status: number, isOurFault: boolean): void {
  const charge = c.get("charge");
  const fault = c.get("fault");
  writeLog({
    level: isOurFault ? "error" : "info",
    event: "request",
    request_id: c.get("requestId"),
    method: c.req.method,
    route: routePath(c, -1),
    status,
    code: fault?.code,
    ...(isOurFault && { message: fault?.message, ...causeOf(c.error) }),
    duration_ms: Math.round(elapsedMs(c)),
    account_id: c.get("key")?.accountId,
    tokens: charge?.tokens,
    cached_tokens: charge?.cachedTokens,
    cost_nano_usd: charge?.costNanoUsd,
    cache: c.res.headers.get("x-cache") ?? undefined,
  });
}

/** The cause of an ApiError, or the error itself where it is none. */
function causeOf(error: Error | undefined): object {
  if (error === undefined) return {};
  if (error.name !== "ApiError") return describeError(error);
  return error.cause === undefined ? {} : describeError(error.cause);
}
