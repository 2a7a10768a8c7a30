// POST /mcp: the Model Context Protocol over streamable HTTP, without sessions: each request has its own server, made of
// the caller's key (tool-server.ts, which is loaded with the first request: it takes longer than all else that a new
// isolate loads before its first call).

import type { Hono } from "hono";
import type { AppEnv, Context } from "../context.ts";
import { admitMemory } from "../middleware/admit-memory.ts";
import { identify } from "../middleware/authenticate.ts";
import { readJson } from "../middleware/body.ts";
import { must } from "../../shared/assert.ts";
import { apiError } from "../../shared/errors.ts";

/** Of a JSON-RPC batch, which older clients may send. */
const MESSAGES_MAX = 16;

/** A missing or forged key is a 401 before the body is read; one that is no longer in force is each tool's own error. */
export async function postMcp(c: Context, app: Hono<AppEnv>): Promise<Response> {
  await identify(c);
  let response: Response | undefined;
  await admitMemory(c, async () => {
    const body = await readJson(c, c.get("services").config.limits.bodyBytesMax);
    if (Array.isArray(body) && body.length > MESSAGES_MAX)
      throw apiError("too_many_inputs", `A request takes at most ${MESSAGES_MAX} messages, not ${body.length}.`);
    const { answerMessage } = await import("./tool-server.ts");
    response = await answerMessage(c, app, body);
  });
  return must(response, "the handler answered");
}
