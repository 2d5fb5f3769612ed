import { z } from 'zod';
import { field } from './field.js';

/** New lists: a page of items, the cursor of the next page, and how many there are in all. */
export const listOf = <S extends z.ZodType>(item: S) =>
  z.object({
    items: z.array(item),
    /** Opaque; null on the last page. */
    next_cursor: z.string().nullable(),
    total: z.int(),
  });

/** Query of a new list. */
export const listQuery = {
  limit: field.int({ ge: 1, le: 500 }).default(50),
  cursor: field.filter(500),
};
