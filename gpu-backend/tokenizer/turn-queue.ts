// A queue that accounts share by work: the account that was served least goes first (start-time fair queueing, Goyal
// et al. 1996), within an account its calls take turns; interactive before batch, but for one turn in a few. Pure.

import type { Tier } from "../../shared/wire.ts";

/** One turn in this many goes to the batch tier first: otherwise a flood in one tier would starve the other. */
const BATCH_TIER_TURN = 4;

/** A call, and whose it is. */
export interface Owner {
  readonly account: string;
  readonly tier: Tier;
}

interface Entry<Item> {
  readonly item: Item;
  readonly cost: number;
}

interface Line<Item> {
  /** Its work so far, by the clock of its tier: where its next item begins. */
  served: number;
  /** Cost of what waits. */
  waiting: number;
  /** In the order of their turns. */
  readonly calls: Map<Owner, Entry<Item>[]>;
}

export class TurnQueue<Item> {
  readonly #tiers = { interactive: new TierLines<Item>(), batch: new TierLines<Item>() };
  #size = 0;
  #turn = 0;

  get size(): number {
    return this.#size;
  }

  /** Cost of what waits for an account. */
  waitingOf({ account, tier }: Owner): number {
    return this.#tiers[tier].lines.get(account)?.waiting ?? 0;
  }

  push(owner: Owner, item: Item, cost: number): void {
    this.#tiers[owner.tier].push(owner, { item, cost });
    this.#size += 1;
  }

  /** The next item. */
  take(): Item | undefined {
    const { interactive, batch } = this.#tiers;
    const isBatchTurn = this.#turn % BATCH_TIER_TURN === BATCH_TIER_TURN - 1;
    const entry = isBatchTurn ? (batch.take() ?? interactive.take()) : (interactive.take() ?? batch.take());
    if (entry === undefined) return undefined;
    this.#turn += 1;
    this.#size -= 1;
    return entry.item;
  }

  /** Forgets all that waits for a call. */
  drop(owner: Owner): void {
    this.#size -= this.#tiers[owner.tier].drop(owner);
  }
}

class TierLines<Item> {
  readonly lines = new Map<string, Line<Item>>();
  /** Where the item that was taken last began: who comes now begins there, and has nothing saved up. */
  #clock = 0;

  push(owner: Owner, entry: Entry<Item>): void {
    let line = this.lines.get(owner.account);
    if (line === undefined) {
      line = { served: this.#clock, waiting: 0, calls: new Map() };
      this.lines.set(owner.account, line);
    }
    line.served = Math.max(line.served, line.calls.size === 0 ? this.#clock : 0);
    line.waiting += entry.cost;
    const entries = line.calls.get(owner);
    if (entries === undefined) line.calls.set(owner, [entry]);
    else entries.push(entry);
  }

  take(): Entry<Item> | undefined {
    let next: Line<Item> | undefined;
    for (const [account, line] of this.lines) {
      if (line.calls.size > 0) {
        if (next === undefined || line.served < next.served) next = line;
      } else if (line.served <= this.#clock) this.lines.delete(account);
    }
    const [call] = next?.calls ?? [];
    if (next === undefined || call === undefined) return undefined;
    const [owner, entries] = call;
    const entry = entries.shift();
    next.calls.delete(owner);
    if (entries.length > 0) next.calls.set(owner, entries);
    if (entry === undefined) return undefined;
    this.#clock = next.served;
    next.served += entry.cost;
    next.waiting -= entry.cost;
    return entry;
  }

  /** How many were dropped. */
  drop(owner: Owner): number {
    const line = this.lines.get(owner.account);
    const entries = line?.calls.get(owner) ?? [];
    if (line === undefined) return 0;
    for (const { cost } of entries) line.waiting -= cost;
    line.calls.delete(owner);
    return entries.length;
  }
}
