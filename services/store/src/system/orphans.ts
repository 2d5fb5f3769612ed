/** One kind of things that nothing refers to any more. */
export interface Orphans<T> {
  /** Those found while everything is in use; each may be gone, or referred to, a moment later. */
  find(): AsyncIterable<T>;
  /** Looks again, in the lock or transaction in which it goes. @returns whether it went */
  remove(item: T): Promise<boolean>;
}

/** @returns how many went */
export async function removeAll<T>(orphans: Orphans<T>): Promise<number> {
  let removed = 0;
  for await (const item of orphans.find()) if (await orphans.remove(item)) removed++;
  return removed;
}

/** @returns at most `limit` of them */
export async function take<T>(items: AsyncIterable<T>, limit: number): Promise<T[]> {
  const taken: T[] = [];
  if (limit <= 0) return taken;
  for await (const item of items) {
    taken.push(item);
    if (taken.length >= limit) break;
  }
  return taken;
}
