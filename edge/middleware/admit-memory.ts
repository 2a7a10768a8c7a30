// Middleware of the routes that embed: takes the isolate's memory for a request before its body is read (the body takes
// more as it arrives), and returns it when the answer is made or, for a stream, sent.

import type { Next } from "hono";
import type { Context } from "../context.ts";
import { checkAnnouncedLength, sendsLines } from "./body.ts";
import { bodyMemory } from "../lib/memory-budget.ts";

/** Throws ApiError: `body_too_large` for an announced length over every limit, `overloaded` when there is no room. */
export async function admitMemory(c: Context, next: Next): Promise<void> {
  // Before the budget: a body over the limit can never be admitted, so waiting for memory would not help.
  // Lines have no limit: they are read as they are computed.
  if (!sendsLines(c)) checkAnnouncedLength(c, c.get("services").config.limits.bodyBytesMax);
  const memory = c.get("services").memory.take(bodyMemory(0), c.get("key").accountId);
  c.set("memory", memory);
  try {
    await next();
  } finally {
    if (!memory.isStreaming) memory.release();
  }
}
