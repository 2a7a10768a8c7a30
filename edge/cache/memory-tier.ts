// The first tier: entries in the isolate's memory, bounded by bytes. It gives memory back when the isolate needs it for
// answers (lib/memory-budget.ts).

import { LRUCache } from "lru-cache";
import type { AccountId } from "../../shared/ids.ts";
import type { CacheEntry } from "./entry.ts";

/** Of the isolate's 96 MB (lib/memory-budget.ts): 6,000 vectors of 2,560 dimensions. */
const MEMORY_TIER_BYTES_MAX = 32 * 1024 * 1024;
/** Name, account, map slots: what an entry takes besides its vector, about. */
const ENTRY_OVERHEAD_BYTES = 320;
/** A vector that is so much of its buffer, as in the frame of one text, is kept with it: a copy would cost more. */
const BUFFER_SHARE_MIN = 3 / 4;

export class MemoryTier {
  readonly #entries: LRUCache<string, CacheEntry>;

  constructor(bytesMax: number = MEMORY_TIER_BYTES_MAX) {
    this.#entries = new LRUCache({ maxSize: bytesMax, sizeCalculation: sizeOf });
  }

  /** The entry called `name`, if it is `accountId`'s. */
  get(name: string, accountId: AccountId): CacheEntry | undefined {
    const entry = this.#entries.get(name);
    return entry?.accountId === accountId ? entry : undefined;
  }

  /** Keeps a copy of a view into the frame of many texts, which would keep the whole frame alive. */
  put(name: string, entry: CacheEntry): void {
    const { vector } = entry;
    const isMost = vector.byteLength >= vector.buffer.byteLength * BUFFER_SHARE_MIN;
    this.#entries.set(name, isMost ? entry : { ...entry, vector: vector.slice() });
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  get bytesMax(): number {
    return this.#entries.maxSize;
  }

  /** Drops the least recently used until at most `bytes` are held. */
  shrinkTo(bytes: number): void {
    while (this.#entries.calculatedSize > bytes && this.#entries.size > 0) this.#entries.pop();
  }
}

function sizeOf(entry: CacheEntry): number {
  return entry.vector.buffer.byteLength + ENTRY_OVERHEAD_BYTES;
}
