// One line a request, without text, keys or query strings: what an operator needs to find a request and no more. Every
// answer of our own fault (5xx) leaves one, with the fault's sentence and the error behind it; of the others the share
// that the deployment asks for (`LOG_REQUESTS`), since a line per request is a cost of its own.

import { routePath } from "hono/route";
import type { AppEnv, Context } from "../context.ts";
import { elapsedMs, waitUntilOf } from "../context.ts";
import { describeError, writeLog } from "../lib/log.ts";

/** Writes the line once the answer's status is known; a streamed body is still on its way then. */
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

/** What a fault was thrown for: its own cause, or the error itself where it is none of our faults. */
function causeOf(error: Error | undefined): object {
  if (error === undefined) return {};
  if (error.name !== "ApiError") return describeError(error);
  return error.cause === undefined ? {} : describeError(error.cause);
}
