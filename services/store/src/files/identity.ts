/** Whether the media folder is the one that the store's tables speak of. */
import { type Database, FolderIdentity, identityRow } from '@cl-server/service-kit';
import type { StoreTables } from '../database/tables.js';

const KEY = 'store.folder_identity';
/** So many contents are looked at: one whose file is there is proof enough. */
const SAMPLE = 50;

/** @param folder absolute */
export function mediaFolderIdentity(
  database: Database<StoreTables>,
  folder: string,
  now: () => number,
): FolderIdentity {
  const expected = async (): Promise<readonly string[]> => {
    const rows = await database.kysely.selectFrom('files').select('path').limit(SAMPLE).execute();
    return rows.map((row) => row.path);
  };
  const row = identityRow(database, KEY, now);
  return new FolderIdentity({ what: 'media folder', folder, row, expected, command: 'store adopt' });
}
