// What an account's owner asks of the account itself (books, usage, keys), registered in one place (app.ts calls it).

import type { Hono } from "hono";
import type { AppEnv } from "../context.ts";
import { postStripeWebhook } from "./stripe-webhook.ts";

export function addOwnerRoutes(app: Hono<AppEnv>): void {
  app.post("/stripe/webhook", postStripeWebhook);
}
