// Guards the operator's routes: the admin key, compared in constant time, and only on ADMIN_HOST where that is set. An
// address that keeps sending wrong keys is refused before the comparison.

import { createMiddleware } from "hono/factory";
import type { AppEnv, Context } from "../context.ts";
import { clientAddress } from "../context.ts";
import { AddressLimit } from "../lib/address-limit.ts";
import { ConfigError } from "../settings.ts";
import { presentedKey } from "./authenticate.ts";
import { apiError } from "../../shared/errors.ts";
import { equalTexts } from "../../shared/hmac.ts";

const WRONG_KEYS_PER_MINUTE = 10;
const wrongKeys = new AddressLimit(WRONG_KEYS_PER_MINUTE);

export const operator = createMiddleware<AppEnv>(async (c, next) => {
  const { config } = c.get("services");
  // On any other host the routes do not exist.
  if (config.ADMIN_HOST !== undefined && new URL(c.req.url).host !== config.ADMIN_HOST) {
    throw apiError("route_not_found", "No such route.");
  }
  if (config.ADMIN_KEY === undefined) throw new ConfigError("ADMIN_KEY is missing: the operator's routes are off.");
  const address = clientAddress(c);
  wrongKeys.check(address);
  const given = presentedKey(c);
  const known = [config.ADMIN_KEY, config.ADMIN_KEY_PREVIOUS].filter((key) => key !== undefined);
  const matches = await Promise.all(known.map((key) => equalTexts(key, given)));
  if (!matches.includes(true)) {
    wrongKeys.count(address);
    throw apiError("invalid_api_key", "This is not the operator's key.");
  }
  await next();
});

/** The actor's name in the audit log. */
export function operatorActor(c: Context): string {
  return `operator from ${clientAddress(c)}`;
}
