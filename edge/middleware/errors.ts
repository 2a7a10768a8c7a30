// The one place that turns a fault into an answer: rich inside, plain outside. Whatever is thrown and is not a fault
// of ours is answered as `internal_error`; the request's line in the log says what it was (request-log.ts).

import type { Context } from "../context.ts";
import { allHeaders } from "./answer-headers.ts";
import { ApiError, ERRORS } from "../../shared/errors.ts";
import type { ErrorCode, Fault } from "../../shared/errors.ts";
import { ConfigError } from "../settings.ts";
import { standingHeaders } from "../metering/usage-answer.ts";

interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: ErrorCode;
    readonly retry_after_s?: number;
  };
}

/** OpenAI's Node SDK ignores a Retry-After above a minute. */
const RETRY_AFTER_S_MAX = 60;

/** Answers `fault` with its status, body and headers. */
export function faultResponse(c: Context, fault: Fault): Response {
  const spec = ERRORS[fault.code];
  c.set("fault", fault);
  const retryAfterS =
    fault.retryAfterS === undefined
      ? undefined
      : Math.min(RETRY_AFTER_S_MAX, Math.max(1, Math.ceil(fault.retryAfterS)));
  const body: ErrorBody = {
    error: {
      message: `${fault.message} See ${new URL(c.req.url).origin}/docs/errors#${fault.code}`,
      type: spec.type,
      param: fault.param,
      code: fault.code,
      ...(retryAfterS === undefined ? {} : { retry_after_s: retryAfterS }),
    },
  };
  const standing = c.get("standing");
  const headers = allHeaders(c, {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    ...(retryAfterS !== undefined && {
      "retry-after": String(retryAfterS),
      "retry-after-ms": String(retryAfterS * 1000),
    }),
    ...(standing !== undefined && standingHeaders(standing)),
    ...(!spec.retry && { "x-should-retry": "false" }),
    ...(spec.status === 401 && { "www-authenticate": "Bearer" }),
  });
  return new Response(JSON.stringify(body), { status: spec.status, headers });
}

/** hono's onError: an ApiError keeps its fault, everything else is ours to explain. */
export function answerError(error: Error, c: Context): Response {
  if (error instanceof ApiError) return faultResponse(c, error.fault);
  // It names settings and what each must be, no value: who deploys sees it here first.
  const what = error instanceof ConfigError ? error.message : "Something failed on our side; nothing was charged.";
  return faultResponse(c, {
    code: "internal_error",
    message: `${what} Quote request ${c.get("requestId")} when you write to us.`,
    param: null,
  });
}
