// The way to an account's Durable Object: its name is the account's id.

import type { AccountWithBilling } from "./account-with-billing.ts";
import type { Location } from "../lib/location.ts";
import type { AccountId } from "../../shared/ids.ts";

/** `location` counts for the call that makes the object, and for no other. */
export function accountStub(
  env: { readonly ACCOUNT: DurableObjectNamespace<AccountWithBilling> },
  id: AccountId,
  location?: Location,
): DurableObjectStub<AccountWithBilling> {
  const objectId = env.ACCOUNT.idFromName(id);
  return location === undefined ? env.ACCOUNT.get(objectId) : env.ACCOUNT.get(objectId, { locationHint: location });
}
