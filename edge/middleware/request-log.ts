// One line of JSON a request, without text, keys or query strings: what an operator needs to find a request and no
// more. Workers Logs index the fields. Off unless the deployment asks for a share of requests (`LOG_REQUESTS`), since a
// line per request is a cost of its own; then every answer of our own fault leaves one.

import { createMiddleware } from "hono/factory";
import { routePath } from "hono/route";
import type { AppEnv, Context } from "../context.ts";
import { elapsedMs } from "../context.ts";

interface LogLine {
  readonly level: "info" | "error";
  readonly event: string;
  readonly request_id: string;
  readonly [field: string]: string | number | undefined;
}

/** Writes the line once the answer's status is known; a streamed body is still on its way then. */
export const logRequests = createMiddleware<AppEnv>(async (c, next) => {
  const share = c.get("services").config.LOG_REQUESTS ?? 0;
  await next();
  const { status } = c.res;
  if (share > 0 && (status >= 500 || Math.random() < share)) logRequest(c, status);
});

/** The route as registered (`/v1/models/:id`), never the path: a path may hold a key. */
function logRequest(c: Context, status: number): void {
  const charge = c.get("charge");
  write({
    level: "info",
    event: "request",
    request_id: c.get("requestId"),
    method: c.req.method,
    route: routePath(c, -1),
    status,
    code: c.get("faultCode"),
    duration_ms: Math.round(elapsedMs(c)),
    account_id: c.get("key")?.accountId,
    tokens: charge?.tokens,
    cached_tokens: charge?.cachedTokens,
    cost_nano_usd: charge?.costNanoUsd,
    cache: c.res.headers.get("x-cache") ?? undefined,
  });
}

/** An unexpected error with its stack: an error's message may quote input, so it is cut to its class and frames. */
export function logError(c: Context, error: Error): void {
  const frames = (error.stack ?? "").split("\n").filter((line) => line.trimStart().startsWith("at "));
  write({
    level: "error",
    event: "internal_error",
    request_id: c.get("requestId"),
    route: routePath(c, -1),
    error: error.name,
    stack: frames.slice(0, 12).join("\n"),
  });
}

function write(line: LogLine): void {
  // oxlint-disable-next-line no-console -- Workers Logs collect console output; this is the only writer of it.
  console[line.level === "error" ? "error" : "log"](JSON.stringify(line));
}
