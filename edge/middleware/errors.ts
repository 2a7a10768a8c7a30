// The one place that turns faults into answers: detailed inside, plain outside. Anything thrown that is not an ApiError
// is answered as `internal_error`; the request's log line has the details (request-log.ts).

import type { Context } from "../context.ts";
import { allHeaders } from "./answer-headers.ts";
import { ApiError, ERRORS, errorObject, shownRetryAfterS } from "../../shared/errors.ts";
import type { ErrorObject, Fault } from "../../shared/errors.ts";
import { ConfigError } from "../settings.ts";
import { withNameSent } from "../metering/call-options.ts";
import { standingHeaders } from "../metering/usage-answer.ts";

export interface ErrorBody {
  readonly error: ErrorObject & { readonly retry_after_s?: number };
}

/** The answer to a fault: status, body and headers. */
export function faultResponse(c: Context, thrown: Fault): Response {
  const fault = withNameSent(c, thrown);
  const spec = ERRORS[fault.code];
  c.set("fault", fault);
  const { error } = errorBody(c, fault);
  const { retry_after_s: waitS } = error;
  const body = c.get("vendor")?.errorBody({ ...error, status: spec.status }) ?? { error };
  const standing = c.get("standing");
  const headers = allHeaders(c, {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    ...(waitS !== undefined && { "retry-after": String(waitS), "retry-after-ms": String(waitS * 1000) }),
    ...(standing !== undefined && standingHeaders(standing)),
    ...(!spec.retry && { "x-should-retry": "false" }),
    ...(spec.status === 401 && { "www-authenticate": "Bearer" }),
  });
  return new Response(JSON.stringify(body), { status: spec.status, headers });
}

/** What an answer says of `fault`. */
export function errorBody(c: Context, fault: Fault): ErrorBody {
  const waitS = shownRetryAfterS(fault);
  return {
    error: {
      ...errorObject(fault),
      message: `${fault.message} See ${originOf(c.req.url)}/docs/errors#${fault.code}`,
      ...(waitS === undefined ? {} : { retry_after_s: waitS }),
    },
  };
}

/** The origin of a request's URL, which the runtime has made: making a URL of it costs more than the rest of the text. */
function originOf(url: string): string {
  return url.slice(0, url.indexOf("/", url.indexOf("://") + 3));
}

/** hono's onError. */
export function answerError(error: Error, c: Context): Response {
  return faultResponse(c, faultOf(error, c));
}

/** An ApiError keeps its fault, anything else becomes `internal_error`. */
export function faultOf(error: unknown, c: Context): Fault {
  if (error instanceof ApiError) return error.fault;
  // It names settings and what each must be, but no value: the person who deploys sees it here first.
  const what = error instanceof ConfigError ? error.message : "Something failed on our side; nothing was charged.";
  return {
    code: "internal_error",
    message: `${what} Quote request ${c.get("requestId")} when you write to us.`,
    param: null,
  };
}
