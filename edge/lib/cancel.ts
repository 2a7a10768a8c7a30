// Cancellation and pauses between our own parts. The runtime's AbortSignal may only be touched by the request that made
// it, and costs more than everything it cancels; only `fetch` needs one. docs/decisions/cancellation.md.

/** What our parts need of an AbortSignal; the runtime's own is one too. */
export interface CancelSignal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** An AbortController and its signal in one plain object. */
export class Cancel implements CancelSignal {
  #aborted = false;
  /** Made with the first listener: most of a call's cancellations have none. */
  #listeners: (() => void)[] | undefined;

  get aborted(): boolean {
    return this.#aborted;
  }

  /** Calls each listener once, synchronously. Aborting again has no effect. */
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    const listeners = this.#listeners ?? [];
    this.#listeners = undefined;
    for (const listener of listeners) listener();
  }

  /** Aborts when `signal` aborts, at once if it already has. Returns a function that unlinks the two. */
  follow(signal: CancelSignal): () => void {
    return onAbort(signal, () => this.abort());
  }

  addEventListener(_type: "abort", listener: () => void): void {
    if (this.#aborted) return;
    this.#listeners ??= [];
    this.#listeners.push(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    const index = this.#listeners?.indexOf(listener) ?? -1;
    if (index >= 0) this.#listeners?.splice(index, 1);
  }
}

/** Calls `listener` when `signal` aborts, at once if it already has. Returns a function that removes it. */
export function onAbort(signal: CancelSignal, listener: () => void): () => void {
  if (signal.aborted) listener();
  else signal.addEventListener("abort", listener);
  return () => signal.removeEventListener("abort", listener);
}

/** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
export function sleep(ms: number, signal?: CancelSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal?.addEventListener("abort", wake);
  });
}
