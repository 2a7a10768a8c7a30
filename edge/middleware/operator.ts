// The operator's routes: the admin key, compared in constant time, on ADMIN_HOST alone where it is set.

import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../context.ts";
import { presentedKey } from "./authenticate.ts";
import { apiError } from "../../shared/errors.ts";
import { equalBytes } from "../../shared/hmac.ts";

const encoder = new TextEncoder();

export const operator = createMiddleware<AppEnv>(async (c, next) => {
  const { config } = c.get("services");
  // On any other host the routes do not exist.
  if (config.ADMIN_HOST !== undefined && new URL(c.req.url).host !== config.ADMIN_HOST) {
    throw apiError("route_not_found", "No such route.");
  }
  const given = await digest(presentedKey(c));
  const known = [config.ADMIN_KEY, config.ADMIN_KEY_PREVIOUS].filter((key) => key !== undefined);
  const matches = await Promise.all(known.map(async (key) => equalBytes(await digest(key), given)));
  if (!matches.includes(true)) throw apiError("invalid_api_key", "This is not the operator's key.");
  await next();
});

/** Equal lengths for the comparison, whatever was sent. */
async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
}
