// Runs at most so many pieces of work at once. Cloudflare opens six connections for a request (fetch, KV and the cache
// API alike). A seventh waits unseen while its time limit runs, so work that fans out stays below that. Share a limit
// only within one request: another request may end without freeing its place.

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
