// What embed-texts asks of the cache as a whole; tiers.ts is the real one.

import type { AccountId } from "../../shared/ids.ts";
import type { AdmissionInputs } from "./admission.ts";
import type { CacheEntry } from "./entry.ts";

/** A key's setting: `off` never reads nor writes, `standard` lets the admission policy decide, `eager` always uses every tier. */
export type CacheMode = "off" | "standard" | "eager";

/** One call's use of the cache. */
export interface CacheUse {
  readonly accountId: AccountId;
  /** `off` never gets here. */
  readonly mode: Exclude<CacheMode, "off">;
  /** By which the shared tiers are judged: the model's own prices. */
  readonly admission: AdmissionInputs;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** A text to look up: its name and a bound of its tokens, by which the policy judges what a look-up may cost. */
export interface Named {
  readonly name: string;
  readonly tokensAbout: number;
}

export interface CacheTiers {
  /** In this isolate's memory now; no I/O. */
  peek(name: string, accountId: AccountId): CacheEntry | undefined;
  /** Entries by name, from whichever tier has them and may be asked. Never rejects: a tier that fails has nothing. */
  lookUp(texts: readonly Named[], use: CacheUse): Promise<ReadonlyMap<string, CacheEntry>>;
  /** Stores computed vectors: in memory at once, in the shared tiers after the answer. */
  store(entries: ReadonlyMap<string, CacheEntry>, use: CacheUse): void;
}
