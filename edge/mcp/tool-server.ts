// The protocol's server of one request, with all tools. Both revisions of the protocol are served: that of 2026, and those
// with `initialize` before it.

import { McpServer, createMcpHandler } from "@modelcontextprotocol/server";
import type { Hono } from "hono";
import type { AppEnv, Context } from "../context.ts";
import { publicModels } from "../pages/public-models.ts";
import { apiOf } from "./api-call.ts";
import { registerCallTools } from "./call-tools.ts";
import { toolsOf } from "./tool-input.ts";
import { registerUsageTool } from "./usage-tool.ts";

/** The answer to `body`, the parsed body of the request. */
export function answerMessage(c: Context, app: Hono<AppEnv>, body: unknown): Promise<Response> {
  // No list of tools changes under a caller, so nobody waits for news of one.
  const handler = createMcpHandler(() => serverOf(c, app), { responseMode: "json", maxSubscriptions: 0 });
  return handler.fetch(c.req.raw, { parsedBody: body });
}

async function serverOf(c: Context, app: Hono<AppEnv>): Promise<McpServer> {
  const { origin } = new URL(c.req.url);
  const server = new McpServer(
    { name: "gigarouter-embeddings", version: "1", websiteUrl: origin },
    {
      capabilities: { tools: { listChanged: false } },
      instructions: `Embeddings, similarities and rankings of texts, paid from the credit of the key. A failed call costs nothing. ${origin}/docs/mcp.md`,
    },
  );
  const tools = toolsOf(c, server, apiOf(c, app));
  registerCallTools(tools, await publicModels(c, app));
  registerUsageTool(tools);
  return server;
}
