// A new account: its row in the directory first, then its object. When the directory is down nothing is made; when the
// object fails, the row goes again. Every way to an account (operator, sign-in) goes through here.

import { accountStub } from "./account-stub.ts";
import type { GrantInput } from "../ledger/acts.ts";
import type { AccountWithBilling } from "./account-with-billing.ts";
import type { Location } from "../lib/location.ts";
import type { AccountId } from "../../shared/ids.ts";
import { newId } from "../../shared/ids.ts";
import { insertAccount, removeAccount } from "../directory/accounts.ts";

export interface AccountToCreate {
  readonly name: string;
  readonly email?: string;
}

/**
 * Makes an account with its first grant, if any, and answers its id; with the id of one that is there it has no effect.
 * Throws `directory_unavailable`, or what the object throws.
 */
export async function createAccount(
  env: { readonly ACCOUNT: DurableObjectNamespace<AccountWithBilling>; readonly DIRECTORY: D1Database },
  account: AccountToCreate,
  actor: string,
  options: {
    readonly id?: AccountId;
    readonly firstGrant?: GrantInput;
    /** Near who will call; undefined: near who makes it. */
    readonly location?: Location | undefined;
  } = {},
): Promise<AccountId> {
  const id = options.id ?? newId("account");
  const isNew = await insertAccount(env.DIRECTORY, { id, ...account, createdAtMs: Date.now() });
  try {
    await accountStub(env, id, options.location).setUp({ accountId: id, ...account }, options.firstGrant, actor);
  } catch (error) {
    if (isNew) await removeAccount(env.DIRECTORY, id).catch(() => undefined);
    throw error;
  }
  return id;
}
