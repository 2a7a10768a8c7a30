// The catalogue's routes. Clients whose base URL lacks /v1 ask for /models, which is also a page: a program gets the
// same answer there.

import type { Hono } from "hono";
import type { AppEnv } from "../context.ts";
import { cors } from "../middleware/cors.ts";
import { currentModels } from "../middleware/current-models.ts";
import { forPrograms } from "../middleware/for-programs.ts";
import { checkShownKey } from "../middleware/shown-key.ts";
import { getModel, listModels } from "./models.ts";

const ROUTES = [
  { path: "/models", handler: listModels },
  { path: "/models/:name", handler: getModel },
  { path: "/models/:owner/:name", handler: getModel },
] as const;

/** Before the pages' own routes. */
export function addModelRoutes(app: Hono<AppEnv>): void {
  for (const { path, handler } of ROUTES) {
    app.get(`/v1${path}`, checkShownKey, handler);
    app.use(path, async (c, next) => {
      await next();
      c.res.headers.append("vary", "Accept");
    });
    app.use(path, forPrograms(cors));
    app.get(path, forPrograms(currentModels), forPrograms(checkShownKey), forPrograms(handler));
  }
}
