// Puts routes into hono, each behind the middleware that its `auth` asks for.

import type { Hono, MiddlewareHandler } from "hono";
import type { AppEnv, Context } from "../context.ts";
import { recordRefused } from "../metering/record-refused.ts";
import { countRefused } from "../metering/refused-request.ts";
import { admitMemory } from "../middleware/admit-memory.ts";
import { authenticate } from "../middleware/authenticate.ts";
import { authorize } from "../middleware/authorize.ts";
import { operator } from "../middleware/operator.ts";
import { checkShownKey } from "../middleware/shown-key.ts";
import type { Handler, Route } from "./route.ts";
import { unreachable } from "../../shared/assert.ts";

export function mountRoutes(app: Hono<AppEnv>, routes: readonly Route[]): void {
  for (const route of routes) app.on(route.method, [honoPath(route.path)], ...stepsOf(route));
}

/** `/v1/keys/{id}` → `/v1/keys/:id`. */
function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

/** What runs for a call of `route`, its handler last. */
function stepsOf(route: Route): readonly (MiddlewareHandler<AppEnv> | Handler)[] {
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
      return [authenticate, recordRefused, countRefused, admitMemory, route.handler];
    case "operator":
      return [operator, route.handler];
    default:
      return unreachable(route);
  }
}
