// Which texts this isolate has seen lately: a table of fingerprints in 256 KB, where a newer one overwrites an older. A
// false "again" (one in 2^30 look-ups) costs a KV write, a false "first" costs a hit: neither is worth more memory.

const SLOTS = 65_536;
const SEEN = 1;
const SEEN_AGAIN = 2;
const STORED = 3;
const STATE_BITS = 3;

export class Sightings {
  readonly #slots = new Uint32Array(SLOTS);

  /** Notes a request for the entry `name` (hex). */
  note(name: string): void {
    const slot = slotOf(name);
    const print = printOf(name);
    const known = this.#slots[slot] ?? 0;
    if ((known & ~STATE_BITS) >>> 0 !== print) this.#slots[slot] = print | SEEN;
    else if ((known & STATE_BITS) === SEEN) this.#slots[slot] = print | SEEN_AGAIN;
  }

  /** Whether it was requested at least twice and is not in KV. */
  isAgain(name: string): boolean {
    return this.#state(name) === SEEN_AGAIN;
  }

  /** Whether it is in KV or being written there. */
  isStored(name: string): boolean {
    return this.#state(name) === STORED;
  }

  /** Notes that it is in KV. */
  stored(name: string): void {
    this.#slots[slotOf(name)] = printOf(name) | STORED;
  }

  #state(name: string): number | undefined {
    const known = this.#slots[slotOf(name)] ?? 0;
    return (known & ~STATE_BITS) >>> 0 === printOf(name) ? known & STATE_BITS : undefined;
  }
}

/** Any digits of a name are as good as random (local-names.ts). */
function slotOf(name: string): number {
  return Number.parseInt(name.slice(0, 4), 16);
}

function printOf(name: string): number {
  return (Number.parseInt(name.slice(4, 12), 16) & ~STATE_BITS) >>> 0;
}
