// Headers of every answer: the request's id, no sniffing of the type, any origin for the public API. Answers to a key,
// the operator's key or a session are not stored by caches unless their route says otherwise.

import type { Context } from "../context.ts";
import { anyOrigin } from "./cors.ts";

const OPERATOR_PREFIX = "/admin/";

/**
 * `own` with all headers that every answer has, for one that is constructed with them: that takes a third of the time of
 * setting each on it.
 */
export function allHeaders(c: Context, own: Record<string, string>): Record<string, string> {
  c.set("hasAllHeaders", true);
  if (isPrivate(c)) own["cache-control"] ??= "no-store";
  const named = withId(c.get("shownRequestId"), own);
  return c.get("isPublicApi") === true ? Object.assign(named, anyOrigin) : named;
}

/** The same for an answer of the public API to a key. */
export function publicHeaders(shownRequestId: string, own: Record<string, string>): Record<string, string> {
  own["cache-control"] = "no-store";
  return Object.assign(withId(shownRequestId, own), anyOrigin);
}

/** `own` with what all answers have. */
function withId(shownRequestId: string, own: Record<string, string>): Record<string, string> {
  own["x-content-type-options"] = "nosniff";
  own["x-request-id"] = shownRequestId;
  return own;
}

/** Adds them to an answer that was made without. */
export function completeHeaders(c: Context): void {
  if (c.get("hasAllHeaders") === true) return;
  // Set directly: hono's `c.header()` would rebuild the answer each time, with a body of unknown length.
  const { headers } = c.res;
  const own = headers.has("set-cookie") ? { "cache-control": "no-store" } : {};
  for (const [name, value] of Object.entries(allHeaders(c, own))) {
    if (name !== "cache-control" || !headers.has(name)) headers.set(name, value);
  }
}

function isPrivate(c: Context): boolean {
  return c.get("key") !== undefined || c.req.path.startsWith(OPERATOR_PREFIX);
}
