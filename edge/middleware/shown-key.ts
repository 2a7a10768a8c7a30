// For public routes that clients call to check their key: a key is optional, but one that is sent must be valid and in
// force.

import { createMiddleware } from "hono/factory";
import type { AppEnv, Context } from "../context.ts";
import { clientAddress, waitUntilOf } from "../context.ts";
import type { Refusal } from "../ledger/types.ts";
import { keyOfText, presentedKey } from "./authenticate.ts";
import { faultOfRefusal } from "../metering/refusals.ts";
import { ApiError } from "../../shared/errors.ts";

/** Refusals that say nothing against the key itself, and must not keep anybody from a public route. */
const PASSING: ReadonlySet<Refusal["kind"]> = new Set([
  "rate_limited",
  "insufficient_credit",
  "credit_held",
  "ledger_unavailable",
]);

/** Throws, as any other route does, for a key that is mistyped, revoked, expired or not allowed from this address. */
export const checkShownKey = createMiddleware<AppEnv>(async (c, next) => {
  if (showsKey(c)) {
    const key = await keyOfText(c, presentedKey(c));
    c.set("key", key);
    const { wallet } = c.get("services");
    const asked = { key, ip: clientAddress(c), countsRequest: false, waitUntil: waitUntilOf(c) };
    const result = await wallet.authorize(asked);
    if (result.kind === "refused" && !PASSING.has(result.refusal.kind)) {
      throw new ApiError(faultOfRefusal(result.refusal));
    }
  }
  await next();
});

/** Clients without a key send an empty header, or only the word Bearer. */
function showsKey({ req }: Context): boolean {
  const text = req.header("authorization") ?? req.header("api-key") ?? req.header("x-api-key") ?? "";
  return !/^(bearer)?\s*$/i.test(text);
}
