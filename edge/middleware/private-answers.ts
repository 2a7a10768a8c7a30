// Headers of every answer: no browser takes it for another type than it says, and what was said to somebody who showed a
// key, the operator's key or a session is stored by nobody on the way, unless its route says otherwise.

import type { Context } from "../context.ts";

const OPERATOR_PREFIX = "/admin/";

/** After any answer. */
export function makePrivate(c: Context): void {
  // Set directly: hono's `c.header()` would make the answer anew each time, its body a stream of unknown length.
  const { headers } = c.res;
  const isPrivate = c.get("key") !== undefined || c.req.path.startsWith(OPERATOR_PREFIX) || headers.has("set-cookie");
  if (isPrivate && !headers.has("cache-control")) headers.set("cache-control", "no-store");
  headers.set("x-content-type-options", "nosniff");
}
