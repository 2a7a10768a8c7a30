// Middleware of the routes that embed: takes the isolate's memory for the body before it is read, and gives it back
// when the answer has been made, or, where it is streamed, when it has gone out.

import type { Next } from "hono";
import type { Context } from "../context.ts";
import { bodyMemory } from "./memory-budget.ts";

/** Throws ApiError `overloaded` when requests in progress leave no room for the announced body. */
export async function admitMemory(c: Context, next: Next): Promise<void> {
  const announced = Number(c.req.header("content-length") ?? 0);
  const memory = c.get("services").memory.take(bodyMemory(Number.isFinite(announced) ? announced : 0));
  c.set("memory", memory);
  try {
    await next();
  } finally {
    if (!memory.isStreaming) memory.release();
  }
}
