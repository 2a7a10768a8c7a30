// Every request gets an id of ours, which is also its charge's id. A well-formed `X-Request-Id` of the client is echoed
// instead, for the client's own tracing.

import type { Context } from "../context.ts";
import { begunCall } from "../context.ts";
import type { RequestId } from "../../shared/ids.ts";
import { newId } from "../../shared/ids.ts";

const CLIENT_ID = /^[A-Za-z0-9._:-]{1,128}$/;

export function nameRequest(c: Context): void {
  const own = begunCall(c)?.requestId ?? newId("request");
  c.set("requestId", own);
  c.set("shownRequestId", shownId(c.req.raw.headers, own));
}

/** The client's own id if it sent one, or ours. */
export function shownId(headers: Headers, own: RequestId): string {
  const theirs = headers.get("x-request-id");
  return theirs !== null && CLIENT_ID.test(theirs) ? theirs : own;
}
