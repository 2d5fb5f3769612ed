export interface MapOptions {
  /** Calls that run at once. Default 4. */
  readonly concurrency?: number;
  /** No further call begins once it fires; its reason is thrown when the running ones have ended. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `work` for every item, some at once, and gives the results in the items' order. The first failure stops further
 * calls and is thrown when the running ones have ended.
 *
 * @example
 * ```ts
 * const hashes = await map(files, (file) => compute.hash.compute(file).output, { concurrency: 8 });
 * ```
 */
export async function map<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  work: (item: T, index: number) => R | PromiseLike<R>,
  { concurrency = 4, signal }: MapOptions = {},
): Promise<R[]> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const results: R[] = [];
  let index = 0;
  let failure: { error: unknown } | undefined;
  const next = serial(async () => {
    if (failure || signal?.aborted) return undefined;
    const step = await source.next();
    return step.done ? undefined : { item: step.value, at: index++ };
  });
  const lane = async (): Promise<void> => {
    for (let step = await next(); step; step = await next()) results[step.at] = await work(step.item, step.at);
  };
  await Promise.all(
    Array.from({ length: Math.max(1, Math.floor(concurrency)) }, () =>
      lane().catch((error: unknown) => {
        failure ??= { error };
      }),
    ),
  );
  if (failure) throw failure.error;
  signal?.throwIfAborted();
  return results;
}

/** Lets one call in at a time: an iterator must not be asked again before it has answered. */
function serial<T>(call: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const turn = last.then(call, call);
    last = turn.catch(() => undefined);
    return turn;
  };
}
