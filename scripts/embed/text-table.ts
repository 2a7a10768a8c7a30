// The texts of a job by their hashes: each one's record in the store, and how far it is. Open addressing over typed
// arrays: at least 29 bytes a text, 58 right after the arrays have grown.

import { assert } from "../../shared/assert.ts";
import { HASH_BYTES } from "./rows/row.ts";

const WORDS = HASH_BYTES / 4;
const INITIAL = 1024;
/** An empty place. */
const NONE = 0;

/** This run's corpus has the text. */
export const SEEN = 1;
/** The quote has counted it. */
export const COUNTED = 2;
/** A request of this run has carried it. */
export const SENT = 4;
/** The API refuses it, so the job leaves it out. */
export const REFUSED = 8;

export class TextTable {
  #size = 0;
  #words = new Uint32Array(WORDS * INITIAL);
  #flags = new Uint8Array(INITIAL);
  /** Record + 1. */
  #records = new Uint32Array(INITIAL);
  /** Slot + 1, twice as many places as slots. */
  #places = new Uint32Array(2 * INITIAL);

  /** The slot of the text with this hash; -1 for one that was never added. hash: 16 bytes. */
  find(hash: Buffer): number {
    return (this.#places[this.#placeOf(hash)] ?? NONE) - 1;
  }

  /** The slot of the text, added if it is new. */
  add(hash: Buffer): number {
    const place = this.#placeOf(hash);
    const known = this.#places[place] ?? NONE;
    if (known !== NONE) return known - 1;
    if (this.#size === this.#flags.length) {
      this.#grow();
      return this.add(hash);
    }
    const slot = this.#size;
    for (let word = 0; word < WORDS; word += 1) this.#words[WORDS * slot + word] = hash.readUInt32LE(4 * word);
    this.#places[place] = slot + 1;
    this.#size += 1;
    return slot;
  }

  has(slot: number, flag: number): boolean {
    return ((this.#flags[slot] ?? 0) & flag) !== 0;
  }

  set(slot: number, flag: number): void {
    this.#flags[slot] = (this.#flags[slot] ?? 0) | flag;
  }

  /** The record of the store that has its vector, or undefined. */
  record(slot: number): number | undefined {
    const record = this.#records[slot] ?? NONE;
    return record === NONE ? undefined : record - 1;
  }

  setRecord(slot: number, record: number): void {
    assert(record < 0xffff_ffff, "a job has fewer than 2^32 distinct texts");
    this.#records[slot] = record + 1;
  }

  /** The place of the hash, or the free place for it. */
  #placeOf(hash: Buffer): number {
    const mask = this.#places.length - 1;
    for (let place = hash.readUInt32LE(0) & mask; ; place = (place + 1) & mask) {
      const slot = (this.#places[place] ?? NONE) - 1;
      if (slot < 0 || this.#isAt(slot, hash)) return place;
    }
  }

  #isAt(slot: number, hash: Buffer): boolean {
    for (let word = 0; word < WORDS; word += 1) {
      if (this.#words[WORDS * slot + word] !== hash.readUInt32LE(4 * word)) return false;
    }
    return true;
  }

  #grow(): void {
    const slots = 2 * this.#flags.length;
    this.#words = grown(this.#words, new Uint32Array(WORDS * slots));
    this.#flags = grown(this.#flags, new Uint8Array(slots));
    this.#records = grown(this.#records, new Uint32Array(slots));
    this.#places = new Uint32Array(2 * slots);
    const mask = this.#places.length - 1;
    for (let slot = 0; slot < this.#size; slot += 1) {
      let place = (this.#words[WORDS * slot] ?? 0) & mask;
      while (this.#places[place] !== NONE) place = (place + 1) & mask;
      this.#places[place] = slot + 1;
    }
  }
}

function grown<Words extends Uint32Array | Uint8Array>(from: Words, to: Words): Words {
  to.set(from);
  return to;
}
