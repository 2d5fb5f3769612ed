/** One kind of things that nothing refers to any more. */
export interface Orphans<T> {
  /** Those that are found while everything is in use. Each may be gone, or referred to, a moment later. */
  find(): AsyncIterable<T>;
  /** Checks again, in the transaction that removes the item. @returns whether it was removed */
  remove(item: T): Promise<boolean>;
}
