// The isolate's memory for a call of a model, taken before its body is read; the body takes more as it arrives.

import type { Context } from "../context.ts";
import { checkAnnouncedLength, sendsLines } from "./body.ts";
import type { MemoryLease } from "../lib/memory-budget.ts";
import { bodyMemory } from "../lib/memory-budget.ts";

/** Throws ApiError: `body_too_large` for an announced length over every limit, `overloaded` when there is no room. */
export function admitMemory(c: Context): MemoryLease {
  // Before the budget: a body over the limit can never be admitted, so waiting for memory would not help.
  // Lines have no limit: they are read as they are computed.
  if (!sendsLines(c)) checkAnnouncedLength(c, c.get("services").config.limits.bodyBytesMax);
  const memory = c.get("services").memory.take(bodyMemory(0), c.get("key").accountId);
  c.set("memory", memory);
  return memory;
}
