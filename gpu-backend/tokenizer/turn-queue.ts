// A queue in which owners take turns: one item of each in rotation, the interactive ones before the batch ones. Pure.

import type { Tier } from "../../shared/wire.ts";

export class TurnQueue<Item> {
  readonly #owners: Record<Tier, Map<object, Item[]>> = { interactive: new Map(), batch: new Map() };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(owner: object, tier: Tier, item: Item): void {
    const items = this.#owners[tier].get(owner);
    if (items === undefined) this.#owners[tier].set(owner, [item]);
    else items.push(item);
    this.#size += 1;
  }

  /** The next item; its owner goes to the end of the line. */
  take(): Item | undefined {
    return this.#takeFrom(this.#owners.interactive) ?? this.#takeFrom(this.#owners.batch);
  }

  /** Forgets all that waits for `owner`. */
  drop(owner: object): void {
    for (const owners of Object.values(this.#owners)) {
      this.#size -= owners.get(owner)?.length ?? 0;
      owners.delete(owner);
    }
  }

  #takeFrom(owners: Map<object, Item[]>): Item | undefined {
    const next = owners.entries().next();
    if (next.done === true) return undefined;
    const [owner, items] = next.value;
    const item = items.shift();
    owners.delete(owner);
    if (items.length > 0) owners.set(owner, items);
    this.#size -= 1;
    return item;
  }
}
