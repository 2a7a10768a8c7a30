// Of many pieces of work, so many at once. Cloudflare opens six connections for a request (fetch, KV, the cache API
// alike); the seventh waits, unseen, and its time limit runs: what fans out keeps below. Limits of one request only: work
// of another request must not wait here, since that request may end and never free its place.

/** Runs its work now, or when earlier work is done. */
export type AtOnce = <Result>(work: () => Promise<Result>) => Promise<Result>;

export function atOnce(max: number): AtOnce {
  let free = max;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
