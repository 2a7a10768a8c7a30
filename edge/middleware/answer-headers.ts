// Headers of every answer: its request's id, no guessing of its type, any origin for the public API, and no storing on the
// way of what was said to somebody who showed a key, the operator's key or a session, unless its route says otherwise.

import type { Context } from "../context.ts";
import { anyOrigin } from "./cors.ts";

const OPERATOR_PREFIX = "/admin/";

/** For an answer that is made with all of its headers: that costs a third of setting each on it. */
export function allHeaders(c: Context, own: Readonly<Record<string, string>>): Record<string, string> {
  c.set("hasAllHeaders", true);
  return {
    ...(isPrivate(c) && { "cache-control": "no-store" }),
    ...own,
    "x-content-type-options": "nosniff",
    "x-request-id": c.get("shownRequestId"),
    ...(c.get("isPublicApi") === true && anyOrigin),
  };
}

/** After any answer. */
export function completeHeaders(c: Context): void {
  if (c.get("hasAllHeaders") === true) return;
  // Set directly: hono's `c.header()` would make the answer anew each time, its body a stream of unknown length.
  const { headers } = c.res;
  const own = headers.has("set-cookie") ? { "cache-control": "no-store" } : {};
  for (const [name, value] of Object.entries(allHeaders(c, own))) {
    if (name !== "cache-control" || !headers.has(name)) headers.set(name, value);
  }
}

function isPrivate(c: Context): boolean {
  return c.get("key") !== undefined || c.req.path.startsWith(OPERATOR_PREFIX);
}
