// One line of JSON a request, without text, keys or query strings: what an operator needs to find a request and no
// more. Workers Logs index the fields. Logging is off unless the deployment asks for it (`LOG_REQUESTS`): a line per
// request is a cost of its own.

import type { Context } from "../context.ts";
import { elapsedMs } from "../context.ts";

interface LogLine {
  readonly level: "info" | "error";
  readonly event: string;
  readonly request_id: string;
  readonly [field: string]: string | number | undefined;
}

/** The route as registered (`/v1/models/:id`), never the path: a path may hold a key. */
export function logRequest(c: Context, status: number): void {
  write({
    level: "info",
    event: "request",
    request_id: c.get("requestId"),
    method: c.req.method,
    route: c.req.routePath,
    status,
    code: c.get("faultCode"),
    duration_ms: Math.round(elapsedMs(c)),
  });
}

/** An unexpected error with its stack: an error's message may quote input, so it is cut to its class and frames. */
export function logError(c: Context, error: Error): void {
  const frames = (error.stack ?? "").split("\n").filter((line) => line.trimStart().startsWith("at "));
  write({
    level: "error",
    event: "internal_error",
    request_id: c.get("requestId"),
    route: c.req.routePath,
    error: error.name,
    stack: frames.slice(0, 12).join("\n"),
  });
}

function write(line: LogLine): void {
  // oxlint-disable-next-line no-console -- Workers Logs collect console output; this is the only writer of it.
  console[line.level === "error" ? "error" : "log"](JSON.stringify(line));
}
