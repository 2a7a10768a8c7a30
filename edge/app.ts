// The Worker's routes and the order of its middleware: id, CORS, then per route: key, then the route's own work.

import { Hono } from "hono";
import type { AppEnv } from "./context.ts";
import { authenticate } from "./middleware/authenticate.ts";
import { cors } from "./middleware/cors.ts";
import { answerError } from "./middleware/errors.ts";
import { answerUnknownRoutes } from "./middleware/not-found.ts";
import { requestId } from "./middleware/request-id.ts";
import { postEmbeddings } from "./routes/embeddings.ts";
import { getHealth, getReady } from "./routes/health.ts";
import { getModel, listModels } from "./routes/models.ts";
import { servicesOf } from "./services.ts";

export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>({ strict: false });
  app.onError(answerError);
  app.use(async (c, next) => {
    c.set("startedMs", performance.now());
    c.set("services", servicesOf(c.env));
    await next();
  });
  app.use(requestId);
  app.use("/v1/*", cors);
  app.use("/embeddings", cors);

  app.get("/health", getHealth);
  app.get("/ready", getReady);
  app.get("/v1/models", listModels);
  app.get("/v1/models/:name", getModel);
  app.get("/v1/models/:owner/:name", getModel);
  app.post("/v1/embeddings", authenticate, postEmbeddings);
  app.post("/embeddings", authenticate, postEmbeddings);

  answerUnknownRoutes(app);
  return app;
}
