// Middleware of the routes that embed: takes the isolate's memory for the request before its body is read (the body
// takes more as it arrives), and gives it back when the answer has been made, or, where it is streamed, has gone out.

import type { Next } from "hono";
import type { Context } from "../context.ts";
import { checkAnnouncedLength } from "./body.ts";
import { bodyMemory } from "../lib/memory-budget.ts";

/** Throws ApiError: `body_too_large` when more is announced than any route takes, `overloaded` when requests in progress leave no room for one more. */
export async function admitMemory(c: Context, next: Next): Promise<void> {
  // Checked before the budget: a body over the limit can never be admitted, so it is no overload.
  checkAnnouncedLength(c, c.get("services").config.limits.bodyBytesMax);
  const memory = c.get("services").memory.take(bodyMemory(0), c.get("key").accountId);
  c.set("memory", memory);
  try {
    await next();
  } finally {
    if (!memory.isStreaming) memory.release();
  }
}
