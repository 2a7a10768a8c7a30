// What an account's owner asks of the account itself (books, usage, keys), registered in one place (app.ts calls it).

import type { Hono } from "hono";
import type { AppEnv } from "../context.ts";
import { authenticate } from "../middleware/authenticate.ts";
import { getAccount, getAccountByQueryKey, listTransactions, patchAccount } from "./account.ts";
import { deleteAccount } from "./delete-account.ts";
import { exportAccount } from "./export-account.ts";
import { createTopUp, deleteAutoTopUp, getAutoTopUp, postStripeWebhook, putAutoTopUp } from "./top-ups.ts";

export function addOwnerRoutes(app: Hono<AppEnv>): void {
  app.get("/account", getAccountByQueryKey);
  app.get("/v1/account", authenticate, getAccount);
  app.patch("/v1/account", authenticate, patchAccount);
  app.delete("/v1/account", authenticate, deleteAccount);
  app.get("/v1/account/export", authenticate, exportAccount);
  app.get("/v1/transactions", authenticate, listTransactions);
  app.post("/v1/top-ups", authenticate, createTopUp);
  app.get("/v1/auto-top-up", authenticate, getAutoTopUp);
  app.put("/v1/auto-top-up", authenticate, putAutoTopUp);
  app.delete("/v1/auto-top-up", authenticate, deleteAutoTopUp);
  app.post("/stripe/webhook", postStripeWebhook);
}
