/** The common form of paged lists. */
import { z } from 'zod';
import { field } from './field.js';

/** A page of a list: its items, the cursor of the next page, and the total number of items. */
export const listOf = <S extends z.ZodType>(item: S) =>
  z.object({
    items: z.array(item),
    /** Opaque text; null on the last page. */
    next_cursor: z.string().nullable(),
    total: z.int(),
  });

/** Query parameters of a paged list. */
export const listQuery = {
  limit: field.int({ ge: 1, le: 500 }).default(50).describe('Number of items of a page'),
  cursor: field.filter(500).describe('`next_cursor` of the previous page; absent for the first page'),
};
