// The base of clocks that a test moves: the time, the sleepers, and the messages that time has to wait for. Subclasses
// decide how it moves (an account's tests: all at once; the cost bench: from sleeper to sleeper).

export interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export abstract class SleepersClock {
  protected now: number;
  protected readonly sleepers = new Set<Sleeper>();
  /** The number of messages in flight, which time waits for. */
  protected inFlight = 0;

  constructor(startMs: number) {
    this.now = startMs;
  }

  nowMs(): number {
    return this.now;
  }

  sleep(ms: number): { readonly done: Promise<void>; readonly cancel: () => void } {
    let wake = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const sleeper: Sleeper = { atMs: this.now + ms, wake };
    this.sleepers.add(sleeper);
    return {
      done,
      cancel: () => {
        this.sleepers.delete(sleeper);
        wake();
      },
    };
  }

  /** Counts `call` as in flight: time waits for it. */
  async during<Result>(call: Promise<Result>): Promise<Result> {
    this.inFlight += 1;
    try {
      return await call;
    } finally {
      this.inFlight -= 1;
    }
  }
}
