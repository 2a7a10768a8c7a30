// Registers routes and pages with hono, each behind the middleware that its `auth` asks for.

import type { Hono, MiddlewareHandler } from "hono";
import type { AppEnv, Context } from "../context.ts";
import { begunCall } from "../context.ts";
import { countRefused, recordRefused } from "../metering/refused-request.ts";
import type { MemoryLease } from "../lib/memory-budget.ts";
import { admitMemory } from "../middleware/admit-memory.ts";
import { authenticate, identify } from "../middleware/authenticate.ts";
import { authorize } from "../middleware/authorize.ts";
import { answerError } from "../middleware/errors.ts";
import { forPrograms } from "../middleware/for-programs.ts";
import { operator } from "../middleware/operator.ts";
import { publicApi } from "../middleware/public-api.ts";
import { checkShownKey } from "../middleware/shown-key.ts";
import { sameOrigin } from "../session/same-origin.ts";
import type { Handler, PageRoute, Route } from "./route.ts";
import { unreachable } from "../../shared/assert.ts";

export function mountRoutes(app: Hono<AppEnv>, routes: readonly Route[]): void {
  for (const route of routes) app.on(route.method, [honoPath(route.path)], ...stepsOf(route));
}

export function mountPages(app: Hono<AppEnv>, pages: readonly PageRoute[]): void {
  for (const { method, path, auth, program, handler } of pages) {
    if (program !== undefined) mountProgram(app, honoPath(path), program);
    const show = (c: Context) => handler(c, app);
    const serve = auth === "call" ? (c: Context) => serveCall(c, show) : show;
    app.on(method, [honoPath(path)], ...(auth === "site" ? [sameOrigin, serve] : [serve]));
  }
}

/** Registers `route` at a page's path, before the page. */
function mountProgram(app: Hono<AppEnv>, path: string, route: Route): void {
  app.use(path, async (c, next) => {
    await next();
    c.res.headers.append("vary", "Accept");
  });
  app.use(path, forPrograms(publicApi));
  app.on(route.method, [path], ...stepsOf(route).map(forPrograms));
}

/** `/v1/keys/{id}` → `/v1/keys/:id`, `/{name}:verb` → `/:name{[^/]+:verb}`, whose parameter has the verb at its end. */
function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}(:\w+)/g, ":$1{[^/]+$2}").replaceAll(/\{(\w+)\}/g, ":$1");
}

/** The handlers of `route`: its middleware, then its own. */
function stepsOf(route: Route): readonly (MiddlewareHandler<AppEnv> | Handler)[] {
  const { vendor } = route;
  if (vendor === undefined) return accessOf(route);
  const speak: MiddlewareHandler<AppEnv> = (c, next) => {
    c.set("vendor", vendor);
    return next();
  };
  return [speak, ...accessOf(route)];
}

function accessOf(route: Route): readonly (MiddlewareHandler<AppEnv> | Handler)[] {
  switch (route.auth) {
    case "none":
      return [route.handler];
    case "optional":
      return [checkShownKey, route.handler];
    case "key": {
      const { scope, handler } = route;
      return [authenticate, async (c: Context) => handler(c, await authorize(c, scope))];
    }
    case "call":
      return [(c: Context) => serveCall(c, route.handler)];
    case "operator":
      return [operator, route.handler];
    default:
      return unreachable(route);
  }
}

/** What a call failed with before it came here. */
function throwFailure(c: Context): void {
  const { failure, admitted } = begunCall(c) ?? {};
  if (admitted !== undefined) {
    c.set("called", admitted);
    c.set("admitted", true);
  }
  if (failure !== undefined) throw failure;
}

/** Serves a call of a model to a key of ours. A refused call is counted and recorded after its answer. */
async function serveCall(c: Context, handler: Handler): Promise<void> {
  const identifying = identify(c);
  if (identifying !== undefined) await identifying;
  let memory: MemoryLease | undefined;
  try {
    memory = admitMemory(c);
    throwFailure(c);
    c.res = await handler(c);
  } catch (error) {
    // As hono answers it, but here, so that key, memory and handler need no middleware each.
    if (!(error instanceof Error)) throw error;
    c.error = error;
    c.res = answerError(error, c);
  } finally {
    // A streamed answer's writer releases it after the last byte.
    if (memory?.isStreaming === false) memory.release();
  }
  countRefused(c);
  recordRefused(c);
}
