// POST /mcp: the Model Context Protocol over streamable HTTP, without sessions: each request has its own server, made of
// the caller's key (tool-server.ts, which is loaded with the first request: it takes longer than all else that a new
// isolate loads before its first call).

import type { Hono } from "hono";
import type { AppEnv, Context } from "../context.ts";
import { readJson } from "../middleware/body.ts";
import { apiError } from "../../shared/errors.ts";

/** Of a JSON-RPC batch, which older clients may send. */
const MESSAGES_MAX = 16;

/**
 * A missing or forged key was a 401 before; one that is no longer in force is each tool's own error. Throws ApiError for a
 * body that is no JSON, or too large.
 */
export async function postMcp(c: Context, app: Hono<AppEnv>): Promise<Response> {
  const body = await readJson(c, c.get("services").config.limits.bodyBytesMax);
  if (Array.isArray(body) && body.length > MESSAGES_MAX)
    throw apiError("too_many_inputs", `A request takes at most ${MESSAGES_MAX} messages, not ${body.length}.`);
  const { answerMessage } = await import("./tool-server.ts");
  return answerMessage(c, app, body);
}
