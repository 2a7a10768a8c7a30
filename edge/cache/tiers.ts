// The cache as one: memory, then whatever shared tiers there are, nearest first. A tier that fails or is slow has
// nothing; it never fails a call.

import type { AccountId } from "../../shared/ids.ts";
import type { CacheEntry } from "./entry.ts";
import type { CacheTiers, CacheUse, Named } from "./lookups.ts";
import type { MemoryTier } from "./memory-tier.ts";

/** Of the memory tier: one scan of 2,048 new texts must not flush what others come back for. */
const STORE_SHARE_MAX = 1 / 4;

export interface TiersPorts {
  readonly memory: MemoryTier;
  /** What the isolate's memory leaves to the cache now (answer/memory-budget.ts). */
  readonly memoryBytesMax: () => number;
}

export class Tiers implements CacheTiers {
  readonly #ports: TiersPorts;

  constructor(ports: TiersPorts) {
    this.#ports = ports;
  }

  peek(name: string, accountId: AccountId): CacheEntry | undefined {
    return this.#ports.memory.get(name, accountId);
  }

  async lookUp(texts: readonly Named[], use: CacheUse): Promise<ReadonlyMap<string, CacheEntry>> {
    const found = new Map<string, CacheEntry>();
    for (const { name } of texts) {
      const entry = this.peek(name, use.accountId);
      if (entry !== undefined) found.set(name, entry);
    }
    return found;
  }

  store(entries: ReadonlyMap<string, CacheEntry>, _use: CacheUse): void {
    const { memory } = this.#ports;
    const shareMax = memory.bytesMax * STORE_SHARE_MAX;
    let stored = 0;
    for (const [name, entry] of entries) {
      stored += entry.vector.byteLength;
      if (stored > shareMax) break;
      memory.put(name, entry);
    }
    memory.shrinkTo(this.#ports.memoryBytesMax());
  }
}
