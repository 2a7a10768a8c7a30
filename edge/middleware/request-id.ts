// Every request gets an id of ours, which is also its charge's id. A well-formed `X-Request-Id` of the client is echoed
// instead, for the client's own tracing.

import type { Context } from "../context.ts";
import { newId } from "../../shared/ids.ts";

const CLIENT_ID = /^[A-Za-z0-9._:-]{1,128}$/;

export function nameRequest(c: Context): void {
  const own = newId("request");
  const theirs = c.req.header("x-request-id");
  c.set("requestId", own);
  c.set("shownRequestId", theirs !== undefined && CLIENT_ID.test(theirs) ? theirs : own);
}
