// A tool's call of the public API: the route itself with the caller's key, so that checks, credit, limits, errors and the
// cache are those of every other client.

import type { Hono } from "hono";
import type { CallToolResult } from "@modelcontextprotocol/server";
import type * as z from "zod";
import type { AppEnv, Context } from "../context.ts";
import { clientAddress } from "../context.ts";
import { presentedKey } from "../middleware/authenticate.ts";

/** Calls a route: `body` is sent as JSON, and without one it is a GET. */
export type CallApi = (
  path: string,
  body?: Readonly<Record<string, unknown>>,
  headers?: Readonly<Record<string, string>>,
) => Promise<Response>;

/** The API of `app` as the caller of `c` reaches it. The call ends when the caller goes away. */
export function apiOf(c: Context, app: Hono<AppEnv>): CallApi {
  const caller = {
    authorization: `Bearer ${presentedKey(c)}`,
    // A key may be bound to addresses.
    "cf-connecting-ip": clientAddress(c),
    "x-request-id": c.get("shownRequestId"),
  };
  return async (path, body, headers = {}) => {
    const request = new Request(new URL(path, c.req.url), {
      signal: c.req.raw.signal,
      headers: { ...caller, ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    return app.fetch(request, c.env, c.executionCtx);
  };
}

/** What a route has answered: `value`, or the tool's error, which has the route's words. */
export type Answered<Value> =
  | { readonly kind: "answer"; readonly value: Value }
  | { readonly kind: "refused"; readonly result: CallToolResult };

export async function answered<Value>(response: Response, schema: z.ZodType<Value>): Promise<Answered<Value>> {
  if (response.ok) return { kind: "answer", value: schema.parse(await response.json()) };
  return { kind: "refused", result: toolError(await response.text()) };
}

export function toolError(text: string): CallToolResult {
  return { isError: true, content: [{ type: "text", text }] };
}

/** As data, and as JSON text for clients that know no other. */
export function toolResult(value: Record<string, unknown>): CallToolResult {
  return { structuredContent: value, content: [{ type: "text", text: JSON.stringify(value) }] };
}
