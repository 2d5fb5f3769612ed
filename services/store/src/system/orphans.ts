import type { Orphans } from '@cl-server/insight';

/** @returns the number of removed orphans */
export async function removeAll<T>(orphans: Orphans<T>): Promise<number> {
  let removed = 0;
  for await (const item of orphans.find()) if (await orphans.remove(item)) removed++;
  return removed;
}

/** @returns the first items, at most `limit` */
export async function take<T>(items: AsyncIterable<T>, limit: number): Promise<T[]> {
  const taken: T[] = [];
  if (limit <= 0) return taken;
  for await (const item of items) {
    taken.push(item);
    if (taken.length >= limit) break;
  }
  return taken;
}
