// What an account's owner asks of the account itself (books, usage, keys), registered in one place (app.ts calls it).

import type { Hono } from "hono";
import type { AppEnv } from "../context.ts";
import { authenticate } from "../middleware/authenticate.ts";
import { createTopUp, deleteAutoTopUp, getAutoTopUp, postStripeWebhook, putAutoTopUp } from "./top-ups.ts";

export function addOwnerRoutes(app: Hono<AppEnv>): void {
  app.post("/v1/top-ups", authenticate, createTopUp);
  app.get("/v1/auto-top-up", authenticate, getAutoTopUp);
  app.put("/v1/auto-top-up", authenticate, putAutoTopUp);
  app.delete("/v1/auto-top-up", authenticate, deleteAutoTopUp);
  app.post("/stripe/webhook", postStripeWebhook);
}
