// Paths that pages and the API share: a browser that follows a link asks for HTML and gets the page; every other caller
// is a program and gets the API's answer.

import type { MiddlewareHandler, Next } from "hono";
import type { AppEnv, Context } from "../context.ts";

/** Whether the caller asks for HTML by name. HTTP clients accept anything, which does not count. */
export function asksForPage({ req }: Context): boolean {
  return req.header("accept")?.includes("text/html") === true;
}

/** Runs `handler` for programs; a browser gets the next handler, the page. */
export function forPrograms(
  handler: (c: Context, next: Next) => Response | Promise<Response | void>,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => (asksForPage(c) ? next() : handler(c, next));
}
