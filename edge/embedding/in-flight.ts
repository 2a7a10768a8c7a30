// Computations that run now, so that identical texts of concurrent requests are computed once. A Worker's isolate is
// shared by requests, but each computation lives in the request that started it: when that one's context dies, its
// promise never settles. So: the owner keeps itself alive with `waitUntil`, every waiter has a timer of its own and
// takes the computation over when it fires, and a computation that failed is forgotten, not shared.

/** A claim's end for the waiters: the value, or undefined for "compute it yourself". */
type Settle<Value> = (value: Value | undefined) => void;

/** Why a waiter no longer waits: the owner took too long, or the waiter's own client has gone. */
export type WaitEnd = "late" | "left";

class Computation<Value extends object> {
  // Made by the owner, at once: a promise made by a waiter is the waiter's, and dies with its request for the others too.
  readonly promise: Promise<Value | undefined>;
  waiters = 0;
  waiterLeft: () => void = () => undefined;
  resolve: Settle<Value> = notYet;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }
}

function notYet(): void {
  throw new TypeError("a promise's executor runs at once");
}

export type Claim<Value extends object> =
  | {
      readonly kind: "owner";
      /** Exactly once; waiters get the value. */
      readonly settle: Settle<Value>;
      /** How many others wait for it now. */
      readonly waiters: () => number;
      /** `listener` is called when one of them has gone before the end. */
      readonly whenWaiterLeft: (listener: () => void) => void;
    }
  | {
      readonly kind: "waiter";
      /** The owner's value; undefined when it failed, or when `end` came first: claim again, unless one has left. */
      readonly wait: (end: Promise<WaitEnd>) => Promise<Value | undefined>;
    };

export class InFlight<Value extends object> {
  readonly #running = new Map<string, Computation<Value>>();

  /** Computations that somebody owns now. */
  get size(): number {
    return this.#running.size;
  }

  /** Joins the computation called `name`, or becomes its owner. */
  claim(name: string): Claim<Value> {
    const running = this.#running.get(name);
    return running === undefined ? this.#own(name) : this.#join(name, running);
  }

  #own(name: string): Claim<Value> {
    const computation = new Computation<Value>();
    this.#running.set(name, computation);
    return {
      kind: "owner",
      waiters: () => computation.waiters,
      whenWaiterLeft: (listener) => {
        computation.waiterLeft = listener;
      },
      settle: (value) => {
        if (this.#running.get(name) === computation) this.#running.delete(name);
        computation.resolve(value);
      },
    };
  }

  #join(name: string, running: Computation<Value>): Claim<Value> {
    running.waiters += 1;
    return {
      kind: "waiter",
      wait: async (end) => {
        const outcome = await Promise.race([running.promise, end]);
        running.waiters -= 1;
        if (typeof outcome === "object") return outcome;
        if (outcome === "left") running.waiterLeft();
        // Too slow or dead: the next claim owns it. (Another waiter may have taken it over already.)
        else if (this.#running.get(name) === running) this.#running.delete(name);
        return undefined;
      },
    };
  }
}
