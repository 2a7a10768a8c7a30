// The Worker's routes and the order of its middleware: id, CORS, then per route: key, then the route's own work.

import { Hono } from "hono";
import { admitMemory } from "./answer/admit-memory.ts";
import type { AppEnv } from "./context.ts";
import { authenticate } from "./middleware/authenticate.ts";
import { cors } from "./middleware/cors.ts";
import { answerError } from "./middleware/errors.ts";
import { answerUnknownRoutes } from "./middleware/not-found.ts";
import { operator } from "./middleware/operator.ts";
import { requestId } from "./middleware/request-id.ts";
import { getAsset } from "./pages/assets.ts";
import { getAccount, getAccountByQueryKey, listTransactions } from "./routes/account.ts";
import { createAccount, createAccountKey, createGrant, getAccountBooks, patchAccount } from "./routes/admin.ts";
import { postEmbeddings } from "./routes/embeddings.ts";
import { getHealth, getReady } from "./routes/health.ts";
import { createKey, deleteKey, getKey, getOwnKey, listKeys, patchKey, rotateKey } from "./routes/keys.ts";
import { getModel, listModels } from "./routes/models.ts";
import { getUsage } from "./routes/usage.ts";
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
  app.post("/v1/embeddings", authenticate, admitMemory, postEmbeddings);
  app.post("/embeddings", authenticate, admitMemory, postEmbeddings);

  app.get("/account", getAccountByQueryKey);
  app.get("/v1/account", authenticate, getAccount);
  app.get("/v1/transactions", authenticate, listTransactions);
  app.get("/v1/usage", authenticate, getUsage);
  app.get("/v1/key", authenticate, getOwnKey);
  app.get("/v1/keys", authenticate, listKeys);
  app.post("/v1/keys", authenticate, createKey);
  app.get("/v1/keys/:id", authenticate, getKey);
  app.patch("/v1/keys/:id", authenticate, patchKey);
  app.delete("/v1/keys/:id", authenticate, deleteKey);
  app.post("/v1/keys/:id/rotate", authenticate, rotateKey);

  app.post("/admin/accounts", operator, createAccount);
  app.get("/admin/accounts/:id", operator, getAccountBooks);
  app.patch("/admin/accounts/:id", operator, patchAccount);
  app.post("/admin/accounts/:id/grants", operator, createGrant);
  app.post("/admin/accounts/:id/keys", operator, createAccountKey);

  app.get("/assets/:file", getAsset);

  answerUnknownRoutes(app);
  return app;
}
