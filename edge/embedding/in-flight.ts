// Computations that run now, so that identical texts of concurrent requests are computed once. Requests share a
// Worker's isolate, but a computation lives in the request that started it: when that request's context dies, its
// promise never settles. Therefore the owner keeps itself alive with `waitUntil`, every waiter has a timer of its own
// and takes the computation over when it fires, and a failed computation is forgotten, not shared.

/** Ends a claim for its waiters: with the value, or with undefined for "compute it yourself". */
type Settle<Value> = (value: Value | undefined) => void;

/** Why a wait ended early: the owner took too long, or the waiter's own client has left. */
export type WaitEnd = "late" | "left";

class Computation<Value extends object> {
  // The owner makes it at once. A promise that a waiter made would die with that waiter's request, for all others too.
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
      /** Gives waiters the value. Only the first call counts. */
      readonly settle: Settle<Value>;
      /** How many calls are waiting for it now. */
      readonly waiters: () => number;
      /** Calls `listener` when a waiter leaves before the end. */
      readonly whenWaiterLeft: (listener: () => void) => void;
    }
  | {
      readonly kind: "waiter";
      /**
       * The owner's value. Undefined when it failed or `end` came first: claim again, unless one's own client has left.
       */
      readonly wait: (end: Promise<WaitEnd>) => Promise<Value | undefined>;
    };

export class InFlight<Value extends object> {
  readonly #running = new Map<string, Computation<Value>>();

  /** How many computations run now. */
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
        // The owner is slow or dead: the next claim becomes the owner. (Another waiter may have done so already.)
        else if (this.#running.get(name) === running) this.#running.delete(name);
        return undefined;
      },
    };
  }
}
