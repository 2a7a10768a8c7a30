// A key's rights for routes that spend nothing: the wallet answers from its lease's rights or asks the account once.

import type { Context } from "../context.ts";
import { clientAddress, waitUntilOf } from "../context.ts";
import type { Rights, Scope } from "../account/types.ts";
import { rateLimitHeaders } from "../usage-answer.ts";
import { faultOfRefusal } from "./refusals.ts";
import { ApiError } from "../../shared/errors.ts";

/**
 * The rights of the request's key, or throws ApiError. `scope` undefined: any valid key. Counts one request. Routes that
 * read the books read what this isolate has charged too: it is reported first.
 */
export async function authorize(c: Context, scope: Scope | undefined): Promise<Rights> {
  const result = await c.get("services").wallet.authorize({
    key: c.get("key"),
    ...(scope === undefined ? {} : { scope }),
    ip: clientAddress(c),
    countsRequest: true,
    waitUntil: waitUntilOf(c),
  });
  if (result.kind === "refused") throw new ApiError(faultOfRefusal(result.refusal));
  for (const [name, value] of Object.entries(rateLimitHeaders(result.rateLimit))) c.header(name, value);
  const readsBooks = scope === undefined || scope === "usage:read";
  if (readsBooks) await c.get("services").wallet.report(result.rights.accountId, waitUntilOf(c));
  return result.rights;
}
