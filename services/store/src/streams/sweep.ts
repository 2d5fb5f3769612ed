import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { Streams } from './streams.js';

const GROUP = 500;

/** Removes streams of deleted contents, which a process that died may have left. @returns the number of removed streams */
export async function removeOrphanedStreams(
  db: Kysely<StoreTables>,
  streams: Pick<Streams, 'contents' | 'remove'>,
): Promise<number> {
  const contents = await streams.contents();
  let removed = 0;
  for (let from = 0; from < contents.length; from += GROUP) {
    const group = contents.slice(from, from + GROUP);
    const rows = await db.selectFrom('files').select('sha256').where('sha256', 'in', group).execute();
    const known = new Set(rows.map(({ sha256 }) => sha256));
    for (const sha256 of group) {
      if (known.has(sha256)) continue;
      await streams.remove(sha256);
      removed++;
    }
  }
  return removed;
}
