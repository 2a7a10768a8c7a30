// The way to an account's Durable Object: its name is the account's id.

import type { AccountWithNotices } from "./account/account-with-notices.ts";
import type { Env } from "./config.ts";
import type { AccountId } from "../shared/ids.ts";

export function accountStub(env: Pick<Env, "ACCOUNT">, id: AccountId): DurableObjectStub<AccountWithNotices> {
  return env.ACCOUNT.get(env.ACCOUNT.idFromName(id));
}
