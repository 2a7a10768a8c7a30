// The stub of an account's Durable Object, which is named by the account's id.

import type { AccountObject } from "./account.ts";
import type { Location } from "../lib/location.ts";
import type { AccountId } from "../../shared/ids.ts";

/** `location` matters only for the call that creates the object. */
export function accountStub(
  env: { readonly ACCOUNT: DurableObjectNamespace<AccountObject> },
  id: AccountId,
  location?: Location,
): DurableObjectStub<AccountObject> {
  const objectId = env.ACCOUNT.idFromName(id);
  return location === undefined ? env.ACCOUNT.get(objectId) : env.ACCOUNT.get(objectId, { locationHint: location });
}
