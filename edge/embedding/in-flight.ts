// Computations that run now, so that identical texts of concurrent requests are computed once. Requests share a
// Worker's isolate, but a computation lives in the request that started it: when that request's context dies, its
// promise never settles. Therefore the owner keeps itself alive with `waitUntil`, every waiter has a timer of its own
// and takes the computation over when it fires, and a failed computation is forgotten, not shared.

/** Why a wait ended early: the owner took too long, or the waiter's own client has left. */
export type WaitEnd = "late" | "left";

/** One text of a computation. */
interface Share<Value extends object> {
  readonly computation: Computation<Value>;
  readonly place: number;
}

/** By name. Calls share only what is computed in the same way: each way has texts of its own. */
type Running<Value extends object> = Map<string, Share<Value>>;

/** The texts of one call that it computes itself: they end together, so they share one promise. */
export class Computation<Value extends object> {
  readonly #running: Running<Value>;
  readonly #names: string[] = [];
  /**
   * Resolves at the end, never rejects. The owner makes it at once: a promise that a waiter made would die with that
   * waiter's request, for all others too.
   */
  readonly ended: Promise<readonly (Value | undefined)[]>;
  #end: (values: readonly (Value | undefined)[]) => void = notYet;
  #waiters = 0;
  #waiterLeft: () => void = () => undefined;

  constructor(running: Running<Value>) {
    this.#running = running;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** How many waits for its texts there are now. */
  get waiters(): number {
    return this.#waiters;
  }

  /** Calls `listener` when a waiter leaves before the end. */
  whenWaiterLeft(listener: () => void): void {
    this.#waiterLeft = listener;
  }

  /** Takes the text called `name`; undefined: it is this computation's own. Else it is computed elsewhere: wait for it. */
  claim(name: string): Wait<Value> | undefined {
    const share = this.#running.get(name);
    if (share !== undefined) return share.computation.#join(name, share);
    this.#running.set(name, { computation: this, place: this.#names.length });
    this.#names.push(name);
    return undefined;
  }

  /** Gives waiters the values, in the order of the claims; those without one compute it themselves. Only the first call counts. */
  settle(values: readonly (Value | undefined)[]): void {
    for (const name of this.#names) if (this.#running.get(name)?.computation === this) this.#running.delete(name);
    this.#end(values);
  }

  #join(name: string, share: Share<Value>): Wait<Value> {
    this.#waiters += 1;
    return async (end) => {
      const outcome = await Promise.race([this.ended, end]);
      this.#waiters -= 1;
      if (typeof outcome === "object") return outcome[share.place];
      if (outcome === "left") this.#waiterLeft();
      // The owner is slow or dead: the next claim becomes the owner. (Another waiter may have done so already.)
      else if (this.#running.get(name) === share) this.#running.delete(name);
      return undefined;
    };
  }
}

/** The owner's value. Undefined when it failed or `end` came first: claim again, unless one's own client has left. */
export type Wait<Value extends object> = (end: Promise<WaitEnd>) => Promise<Value | undefined>;

export class InFlight<Value extends object> {
  readonly #ways = new Map<string, Running<Value>>();

  /** A computation that claims texts among those that are computed in the same `way`: of a few. */
  begin(way: string): Computation<Value> {
    let running = this.#ways.get(way);
    if (running === undefined) {
      running = new Map();
      this.#ways.set(way, running);
    }
    return new Computation(running);
  }
}

function notYet(): void {
  throw new TypeError("a promise's executor runs at once");
}
