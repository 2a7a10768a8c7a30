// Checks a key's rights for routes that spend nothing. The wallet counts the request, and refuses from memory what it
// knows to be over a limit. Then the account is asked too: a lease's rights may be older than a revocation, and what
// such a route changes or shows outlives the call. Routes that change the account pass `by` on, so that the object
// checks again in the same turn.

import { accountStub } from "../account/account-stub.ts";
import type { ActingKey } from "../keys/acting-key.ts";
import type { Rights, Scope } from "../ledger/types.ts";
import type { Context } from "../context.ts";
import { clientAddress, waitUntilOf } from "../context.ts";
import { standingHeaders } from "../metering/usage-answer.ts";
import { refusedError } from "../metering/refusals.ts";
import { requestIsCounted } from "../metering/refused-request.ts";
import { acted } from "./acted.ts";

/** The caller: its rights as the account has them now, and the key with which it acts on the account. */
export interface Caller extends Rights {
  readonly by: ActingKey;
}

/**
 * The caller behind the request's key; throws ApiError. `scope` "any": any valid key. Counts one request. For routes
 * that read the books, what this isolate has charged is reported first.
 */
export async function authorize(c: Context, scope: Scope | "any"): Promise<Caller> {
  const { wallet, peppers } = c.get("services");
  const key = c.get("key");
  const asked = { ip: clientAddress(c), ...(scope === "any" ? {} : { scope }) };
  const result = await wallet.authorize({ key, ...asked, countsRequest: true, waitUntil: waitUntilOf(c) });
  if (result.kind === "refused") throw refusedError(c, result);
  requestIsCounted(c);
  for (const [name, value] of Object.entries(standingHeaders(result.standing))) c.header(name, value);
  const by: ActingKey = { secret: await peppers.hashes(key.secret), ...asked };
  const readsBooks = scope === "any" || scope === "usage:read";
  const [rights] = await Promise.all([
    accountStub(c.env, key.accountId).rightsNow(by),
    readsBooks ? wallet.report(key.accountId, waitUntilOf(c)) : undefined,
  ]);
  return { ...acted(rights), by };
}

/** Asks the account for the caller's rights once more, right before an action outside the account's object. */
export async function authorizeAgain(c: Context, { accountId, by }: Caller): Promise<Rights> {
  return acted(await accountStub(c.env, accountId).rightsNow(by));
}
