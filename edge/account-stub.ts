// The way to an account's Durable Object: its name is the account's id.

import type { AccountWithBilling } from "./billing/account-with-billing.ts";
import type { Env } from "./config.ts";
import type { AccountId } from "../shared/ids.ts";

export function accountStub(env: Pick<Env, "ACCOUNT">, id: AccountId): DurableObjectStub<AccountWithBilling> {
  return env.ACCOUNT.get(env.ACCOUNT.idFromName(id));
}
