// The Worker's routes and the order of its middleware: id, CORS, then per route: key, then the route's own work.

import { Hono } from "hono";
import type { AppEnv } from "./context.ts";
import { cors } from "./middleware/cors.ts";
import { currentModels } from "./middleware/current-models.ts";
import { answerError } from "./middleware/errors.ts";
import { answerUnknownRoutes } from "./pages/not-found.ts";
import { noteRefusals } from "./middleware/note-refusals.ts";
import { privateAnswers } from "./middleware/private-answers.ts";
import { logRequests } from "./middleware/request-log.ts";
import { requestId } from "./middleware/request-id.ts";
import { trace } from "./middleware/trace.ts";
import { getDocs, getErrorDocs } from "./routes/docs.ts";
import { getLlms, getOpenApi } from "./routes/documents.ts";
import { getHealth, getReady } from "./routes/health.ts";
import { getMetrics } from "./routes/metrics.ts";
import { addModelRoutes } from "./routes/model-routes.ts";
import { mountRoutes } from "./routes/mount.ts";
import { addOwnerRoutes } from "./routes/owner-routes.ts";
import { addPageRoutes } from "./routes/pages.ts";
import { ROUTES } from "./routes/table.ts";
import { getStatus, getStatusPage } from "./routes/status.ts";
import { servicesOf } from "./services.ts";

export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>({ strict: false });
  app.onError(answerError);
  app.use(async (c, next) => {
    c.set("startedMs", performance.now());
    await next();
  });
  app.use(requestId);
  app.use(logRequests);
  app.use(privateAnswers);
  // These answer a Worker that is not configured too: they say so.
  app.get("/health", getHealth);
  app.get("/ready", getReady);
  app.get("/status.json", getStatus);
  app.get("/status", getStatusPage);
  app.use(async (c, next) => {
    c.set("services", servicesOf(c.env, c.req.url));
    await next();
  });
  app.use(trace);
  for (const path of ["/v1/*", "/v2/*", "/embeddings"]) app.use(path, cors, noteRefusals, currentModels);

  app.get("/metrics", getMetrics);
  app.get("/v1/openapi.json", getOpenApi);
  app.get("/llms.txt", getLlms);
  app.get("/docs", getDocs);
  app.get("/docs/errors", getErrorDocs);

  addModelRoutes(app);
  addOwnerRoutes(app);

  mountRoutes(app, ROUTES);
  addPageRoutes(app);

  answerUnknownRoutes(app);
  return app;
}
