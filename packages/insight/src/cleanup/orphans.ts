/** One kind of things that nothing refers to any more. */
export interface Orphans<T> {
  /** Finds items while the platform runs. A moment later each may be removed, or in use. */
  find(): AsyncIterable<T>;
  /** Checks again, in the transaction that removes the item. @returns whether it was removed */
  remove(item: T): Promise<boolean>;
}
