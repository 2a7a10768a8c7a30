// The first tier: entries in the isolate's memory, bounded by bytes. It gives memory back when the isolate needs it for
// answers (lib/memory-budget.ts). Vectors are copied into large blocks: collecting a buffer for each vector as garbage
// would cost more than everything else done for an entry. The oldest block is dropped first, with all its entries; an
// entry that is read from an old block is copied to the newest.

import type { AccountId } from "../../shared/ids.ts";
import type { CacheEntry } from "./entry.ts";

/** Of the isolate's 96 MB (lib/memory-budget.ts): 6,000 vectors of 2,560 dimensions. */
const MEMORY_TIER_BYTES_MAX = 32 * 1024 * 1024;
/** So many that one dropped block is a small part of all. */
const BLOCKS = 128;
const FLOAT16_BYTES = 2;
/** About what an entry takes besides its vector: name, account, map slots. */
const ENTRY_OVERHEAD_BYTES = 320;

interface Block {
  /** float16 bits, one vector after the other. */
  readonly bits: Uint16Array;
  /** How many values are taken. */
  used: number;
  /** Names of all entries ever put here. */
  readonly names: string[];
  /** Number of the block, from 0 in the order of creation. */
  readonly serial: number;
}

interface Place {
  readonly accountId: AccountId;
  readonly tokens: number;
  readonly block: Block;
  readonly offset: number;
  readonly length: number;
}

export class MemoryTier {
  readonly bytesMax: number;
  readonly #places = new Map<string, Place>();
  /** Oldest first. */
  readonly #blocks: Block[] = [];
  #blockBytes = 0;
  #begun = 0;

  constructor(bytesMax: number = MEMORY_TIER_BYTES_MAX) {
    this.bytesMax = bytesMax;
  }

  /** A copy of the entry called `name`, if it is `accountId`'s. */
  get(name: string, accountId: AccountId): CacheEntry | undefined {
    const place = this.#places.get(name);
    if (place?.accountId !== accountId) return undefined;
    const { tokens, block, offset, length } = place;
    const entry = { accountId, tokens, vector: block.bits.slice(offset, offset + length) };
    if (this.#begun - block.serial > this.#blocks.length / 2) this.put(name, entry);
    return entry;
  }

  /** Keeps a copy of `entry`. */
  put(name: string, { accountId, tokens, vector }: CacheEntry): void {
    const block = this.#blockFor(vector.length);
    const offset = block.used;
    block.bits.set(vector, offset);
    block.used += vector.length;
    block.names.push(name);
    this.#places.set(name, { accountId, tokens, block, offset, length: vector.length });
    this.shrinkTo(this.bytesMax);
  }

  get bytes(): number {
    return this.#blockBytes + this.#places.size * ENTRY_OVERHEAD_BYTES;
  }

  /** Drops the oldest until at most `bytes` are held. */
  shrinkTo(bytes: number): void {
    while (this.bytes > bytes && this.#dropOldest() !== undefined);
  }

  #dropOldest(): Block | undefined {
    const oldest = this.#blocks.shift();
    if (oldest === undefined) return undefined;
    this.#blockBytes -= oldest.bits.byteLength;
    for (const name of oldest.names) if (this.#places.get(name)?.block === oldest) this.#places.delete(name);
    return oldest;
  }

  /** The newest block if it has room for `length` values, or a new one. */
  #blockFor(length: number): Block {
    const newest = this.#blocks.at(-1);
    if (newest !== undefined && newest.used + length <= newest.bits.length) return newest;
    const size = Math.max(length, Math.floor(this.bytesMax / BLOCKS / FLOAT16_BYTES));
    // A full tier uses its oldest block again: a new one would be cleared first, and the old one collected as garbage.
    const isFull = this.bytes + size * FLOAT16_BYTES > this.bytesMax;
    const oldest = isFull ? this.#dropOldest() : undefined;
    const bits = oldest?.bits.length === size ? oldest.bits : new Uint16Array(size);
    const block = { bits, used: 0, names: [], serial: this.#begun };
    this.#begun += 1;
    this.#blocks.push(block);
    this.#blockBytes += bits.byteLength;
    return block;
  }
}
