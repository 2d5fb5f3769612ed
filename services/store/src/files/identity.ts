/** Checks whether the media folder belongs to the store's tables. */
import { type Database, FolderIdentity, identityRow } from '@cl-server/service-kit';
import type { StoreTables } from '../database/tables.js';

const KEY = 'store.folder_identity';
/** The number of contents that are checked. One whose file exists is sufficient proof. */
const SAMPLE = 50;

/** @param folder absolute path */
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
