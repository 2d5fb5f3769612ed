import type { EntitiesClient } from '@cl-server/client';

/** The numbers of items in a collection, its collections' contents included. */
export interface Contents {
  files: number;
  collections: number;
}

/** Counts everything in a collection, the trash included. */
export async function contentsOf(
  entities: EntitiesClient,
  id: number,
  call: { readonly signal: AbortSignal },
): Promise<Contents> {
  const counts: Contents = { files: 0, collections: 0 };
  const waiting = [id];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const { pagination } = await entities.page({ parent_id: at, is_collection: false, page_size: 1 }, call);
    counts.files += pagination.total_items;
    for await (const inside of entities.list({ parent_id: at, is_collection: true }, call)) {
      counts.collections += 1;
      waiting.push(inside.id);
    }
  }
  return counts;
}

export const countOf = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
const counted = (count: number, word: string): string[] => (count === 0 ? [] : [countOf(count, word)]);

/** Writes counts as `12 files and 1 collection`; empty if there is nothing. */
export const contentsText = ({ files, collections }: Contents): string =>
  [...counted(files, 'file'), ...counted(collections, 'collection')].join(' and ');
