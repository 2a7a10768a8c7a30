// The cache as embed-texts.ts uses it; tiers.ts implements it.

import type { AccountId } from "../../shared/ids.ts";
import type { AdmissionInputs } from "./admission.ts";
import type { CacheEntry } from "./entry.ts";

/**
 * A key's setting. `off`: nothing is read or written; `standard`: the admission policy decides; `eager`: every tier.
 */
export type CacheMode = "off" | "standard" | "eager";

/** One call's use of the cache. */
export interface CacheUse {
  readonly accountId: AccountId;
  readonly mode: Exclude<CacheMode, "off">;
  /** The model's own prices, which decide whether the shared tiers pay. */
  readonly admission: AdmissionInputs;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** A text to look up: its name, and about how many tokens it has, by which the policy judges the look-up. */
export interface Named {
  readonly name: string;
  readonly tokensAbout: number;
}

export interface CacheTiers {
  /** The entry in this isolate's memory, if it is there; no I/O. */
  peek(name: string, accountId: AccountId): CacheEntry | undefined;
  /** Entries by name, from any tier that may be asked. Never rejects: a tier that fails counts as empty. */
  lookUp(texts: readonly Named[], use: CacheUse): Promise<ReadonlyMap<string, CacheEntry>>;
  /** Stores computed vectors: in memory at once, in the shared tiers after the answer. */
  store(entries: ReadonlyMap<string, CacheEntry>, use: CacheUse): void;
}
