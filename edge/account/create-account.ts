// Creates an account: first its row in the directory, then its object. If the directory is down, nothing is created; if
// the object fails, the row is removed again. Every new account (operator, sign-in) goes through here.

import { accountStub } from "./account-stub.ts";
import type { AccountObject } from "./account.ts";
import type { Location } from "../lib/location.ts";
import type { AccountId } from "../../shared/ids.ts";
import { newId } from "../../shared/ids.ts";
import { insertAccount, removeAccount } from "../directory/accounts.ts";

export interface AccountToCreate {
  readonly name: string;
  readonly email?: string;
}

/**
 * Creates an account and returns its id; no effect if `options.id` exists. Throws `directory_unavailable`, or what the
 * object throws.
 */
export async function createAccount(
  env: { readonly ACCOUNT: DurableObjectNamespace<AccountObject>; readonly DIRECTORY: D1Database },
  account: AccountToCreate,
  actor: string,
  options: {
    readonly id?: AccountId;
    /** Near the future callers; undefined: near the creator. */
    readonly location?: Location | undefined;
  } = {},
): Promise<AccountId> {
  const id = options.id ?? newId("account");
  const isNew = await insertAccount(env.DIRECTORY, { id, ...account, createdAtMs: Date.now() });
  try {
    await accountStub(env, id, options.location).setUp({ accountId: id, ...account }, undefined, actor);
  } catch (error) {
    if (isNew) await removeAccount(env.DIRECTORY, id).catch(() => undefined);
    throw error;
  }
  return id;
}
