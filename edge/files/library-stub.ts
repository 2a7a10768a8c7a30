// The stub of an account's library object, which is named by the account's id.

import type { AccountId } from "../../shared/ids.ts";
import type { LibraryObject } from "./library.ts";

export function libraryStub(
  env: { readonly LIBRARY: DurableObjectNamespace<LibraryObject> },
  id: AccountId,
): DurableObjectStub<LibraryObject> {
  return env.LIBRARY.get(env.LIBRARY.idFromName(id));
}
