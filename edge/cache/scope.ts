// What an entry of the cache belongs to.

import type { AccountId, ModelRevision } from "../../shared/ids.ts";

/** What a name is made of besides the text itself. */
export interface CacheScope {
  readonly accountId: AccountId;
  /** Raising it would forget all of an account's entries at once. */
  readonly epoch: number;
  readonly revision: ModelRevision;
  /** `Instruct: …\nQuery:` or empty. */
  readonly prefix: string;
}
