// The order of the Worker's middleware, then its routes (routes/table.ts) and pages (routes/pages.ts): each has its own
// key, limits and work.

import { Hono } from "hono";
import type { Env } from "./bindings.ts";
import type { AppEnv } from "./context.ts";
import { begunCall } from "./context.ts";
import { completeHeaders } from "./middleware/answer-headers.ts";
import { answerError } from "./middleware/errors.ts";
import { noteRefusal } from "./middleware/note-refusals.ts";
import { publicApi } from "./middleware/public-api.ts";
import { nameRequest } from "./middleware/request-id.ts";
import { logAnswer } from "./middleware/request-log.ts";
import { trace } from "./middleware/trace.ts";
import { answerUnknownRoutes } from "./pages/not-found.ts";
import { vendorAt } from "./routes/foreign/vendors.ts";
import { KnownPaths } from "./routes/known-paths.ts";
import { mountPages, mountRoutes } from "./routes/mount.ts";
import { PAGES } from "./routes/pages.ts";
import { callsEmbeddings, plainEmbeddings } from "./routes/plain-embeddings.ts";
import type { Answer } from "./routes/route.ts";
import { ROUTES } from "./routes/table.ts";
import { servicesOf } from "./services.ts";

/** The Worker's `fetch`: plain calls go straight, before all that they need nothing of. */
export function createFetch(): (request: Request, env: Env, context: ExecutionContext) => Answer {
  const app = createApp();
  return (request, env, context) => {
    const usual = (): Answer => app.fetch(request, env, context);
    return callsEmbeddings(request) ? plainEmbeddings(request, env, context, usual) : usual();
  };
}

export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>({ strict: false, router: new KnownPaths() });
  app.onError(answerError);
  app.use(async (c, next) => {
    c.set("startedMs", begunCall(c)?.startedMs ?? performance.now());
    nameRequest(c);
    await next();
    logAnswer(c);
    if (c.get("isPublicApi") === true) noteRefusal(c);
    completeHeaders(c);
  });
  mountAll(app, true); // these work in a Worker that is not configured, so they come first
  app.use((c, next) => {
    c.set("services", servicesOf(c.env, c.req.url));
    return trace(c, next);
  });
  for (const path of ["/v1/*", "/v2/*", "/embeddings", "/mcp", "/api/*", "/v1beta/*"]) app.use(path, publicApi);
  mountAll(app, undefined);
  answerUnknownRoutes(app, vendorAt);
  return app;
}

/** Mounts the routes that work in a Worker that is not configured, or all others. */
function mountAll(app: Hono<AppEnv>, unconfigured: true | undefined): void {
  const isMeant = (one: { readonly unconfigured?: true }): boolean => one.unconfigured === unconfigured;
  mountRoutes(app, ROUTES.filter(isMeant));
  mountPages(app, PAGES.filter(isMeant));
}
