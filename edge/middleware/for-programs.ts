// Addresses that pages and API share: a browser that follows a link asks for HTML and gets the page; every other caller
// is a program and gets the API's answer.

import type { MiddlewareHandler, Next } from "hono";
import type { AppEnv, Context } from "../context.ts";

/** Whether the caller asked for HTML by name: HTTP clients say that they take anything. */
export function asksForPage({ req }: Context): boolean {
  return req.header("accept")?.includes("text/html") === true;
}

/** `handler` for programs; whoever asks for a page goes on to the page's own route. */
export function forPrograms(
  handler: (c: Context, next: Next) => Response | Promise<Response | void>,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => (asksForPage(c) ? next() : handler(c, next));
}
