// Admits work by its bytes of memory: bodies, frames and answers in progress, and the cache, stay within 96 of the 128
// MB that a Worker has. The cache shrinks first. A request that needs more than is left is answered 503 with
// `Retry-After: 1`, because an isolate that runs out of memory fails every request in it.

import { assert } from "../../shared/assert.ts";
import type { ApiError } from "../../shared/errors.ts";
import { apiError } from "../../shared/errors.ts";

export const MEMORY_BYTES_MAX = 96 * 1024 * 1024;
/**
 * The most that one account's requests may take before the ledger admits them: a body of 8 MB and some smaller ones.
 */
export const OWNER_BYTES_MAX = 40 * 1024 * 1024;
/** A lease untouched for this long belongs to a dead request; its memory is released. */
export const MEMORY_LEASE_IDLE_MS = 120_000;
/** Bytes per byte of a body while it is parsed: itself, the decoded text, the values, and the frame made of them. */
const BODY_FACTOR = 4;
const FLOAT16_BYTES = 2;
/** Assumed for a model that no backend has announced yet: the widest of its family. */
const DIMENSIONS_MAX = 4096;
/** Chunk, headers, closures. */
const REQUEST_BYTES = 256 * 1024;

/** What a cache must offer to share the budget. */
export interface Yielding {
  readonly bytes: number;
  shrinkTo(bytes: number): void;
}

export interface MemoryLease {
  readonly bytes: number;
  /**
   * Takes more for the same request. Throws ApiError `overloaded` when there is no room, for this account or at all.
   */
  grow(bytes: number): void;
  /** Call it when the ledger has admitted the request: it no longer counts against OWNER_BYTES_MAX. */
  admit(): void;
  /** The answer is being streamed: its writer releases the lease. */
  isStreaming: boolean;
  /** Notes that the request is alive. */
  touch(): void;
  /** Releases everything. A second call has no effect. */
  release(): void;
}

class Lease implements MemoryLease {
  bytes = 0;
  isStreaming = false;
  /** The account that it counts against until it is admitted; undefined: none. */
  owner: string | undefined;
  touchedMs: number;
  readonly #budget: MemoryBudget;

  constructor(budget: MemoryBudget, owner: string | undefined) {
    this.#budget = budget;
    this.owner = owner;
    this.touchedMs = budget.nowMs();
  }

  grow(bytes: number): void {
    this.#budget.add(this, bytes);
  }

  admit(): void {
    this.#budget.disown(this);
  }

  touch(): void {
    this.touchedMs = this.#budget.nowMs();
  }

  release(): void {
    this.#budget.release(this);
  }
}

export class MemoryBudget {
  readonly #bytesMax: number;
  readonly #cache: Yielding;
  readonly nowMs: () => number;
  readonly #held = new Set<Lease>();
  readonly #owned = new Map<string, number>();
  #heldBytes = 0;

  constructor(cache: Yielding, now: () => number, bytesMax: number = MEMORY_BYTES_MAX) {
    this.#cache = cache;
    this.nowMs = now;
    this.#bytesMax = bytesMax;
  }

  /** Bytes that requests hold now. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The most bytes that the cache may hold now. */
  get cacheBytesMax(): number {
    return Math.max(0, this.#bytesMax - this.#heldBytes);
  }

  /**
   * Reserves `bytes`, for `owner` until it is admitted. Throws ApiError `overloaded` (Retry-After 1) when requests in
   * progress leave no room.
   */
  take(bytes: number, owner?: string): MemoryLease {
    const lease = new Lease(this, owner);
    this.add(lease, bytes);
    this.#held.add(lease);
    return lease;
  }

  // What follows is for leases alone.

  add(held: Lease, bytes: number): void {
    assert(bytes >= 0, "memory is taken, not given");
    const { owner } = held;
    const owned = owner === undefined ? 0 : (this.#owned.get(owner) ?? 0) + bytes;
    if (this.#heldBytes + bytes > this.#bytesMax || owned > OWNER_BYTES_MAX) this.#reclaim();
    if (this.#heldBytes + bytes > this.#bytesMax) throw noRoom();
    if (owner !== undefined && (this.#owned.get(owner) ?? 0) + bytes > OWNER_BYTES_MAX) throw noRoomForOwner();
    this.#heldBytes += bytes;
    held.bytes += bytes;
    if (owner !== undefined) this.#owned.set(owner, (this.#owned.get(owner) ?? 0) + bytes);
    if (this.#cache.bytes > this.cacheBytesMax) this.#cache.shrinkTo(this.cacheBytesMax);
  }

  release(held: Lease): void {
    if (!this.#held.delete(held)) return;
    this.disown(held);
    this.#heldBytes -= held.bytes;
  }

  disown(held: Lease): void {
    const { owner } = held;
    if (owner === undefined) return;
    held.owner = undefined;
    const left = (this.#owned.get(owner) ?? 0) - held.bytes;
    if (left > 0) this.#owned.set(owner, left);
    else this.#owned.delete(owner);
  }

  #reclaim(): void {
    const deadline = this.nowMs() - MEMORY_LEASE_IDLE_MS;
    for (const held of this.#held) if (held.touchedMs < deadline) this.release(held);
  }
}

/** Bytes that a request with a body of `bodyBytes` takes before its texts are known. */
export function bodyMemory(bodyBytes: number): number {
  return REQUEST_BYTES + bodyBytes * BODY_FACTOR;
}

/** Bytes that parsing a body takes on top of the body's own. */
export function parseMemory(bodyBytes: number): number {
  return bodyBytes * (BODY_FACTOR - 1);
}

/**
 * Bytes that the vectors of `texts` texts take until their answer has been written; `dimensions` undefined: not known
 * yet.
 */
export function frameMemory(texts: number, dimensions: number = DIMENSIONS_MAX): number {
  return texts * dimensions * FLOAT16_BYTES;
}

function noRoomForOwner(): ApiError {
  return apiError("overloaded", "Too many large bodies of this account are being read: send fewer at a time.", null, 1);
}

function noRoom(): ApiError {
  return apiError("overloaded", "This part of the edge has its memory full of answers in progress.", null, 1);
}
