// Works on items as they arrive, several at a time. The first failure ends it; running work is awaited.

export async function inParallel<Item>(
  items: AsyncIterable<Item> | Iterable<Item>,
  concurrency: () => number,
  work: (item: Item) => Promise<void>,
  onFailure: () => void = () => undefined,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
    onFailure();
  };
  const failed = (): typeof failure => failure;
  try {
    for await (const item of items) {
      while (running.size >= concurrency()) await Promise.race(running);
      if (failed() !== undefined) break;
      const run = work(item)
        .catch(fail)
        .finally(() => running.delete(run));
      running.add(run);
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(running);
  const end = failed();
  if (end !== undefined) throw end.error;
}
