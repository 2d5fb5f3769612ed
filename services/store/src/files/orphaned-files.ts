/** Finds files of the media folder that no row refers to, except files that are being placed or removed at this moment. */

import type { Orphans } from '@cl-server/insight';
import { inGroups } from '@cl-server/kit';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { Contents } from './contents.js';

const GROUP = 500;

/** Items are paths relative to the media folder. */
export class OrphanedFiles implements Orphans<string> {
  constructor(
    private readonly db: Kysely<StoreTables>,
    private readonly contents: Contents,
  ) {}

  async *find(): AsyncGenerator<string> {
    const { folder } = this.contents;
    for await (const group of inGroups(folder.blobs.list(''), GROUP)) {
      const suspects = await this.#withoutRow(group);
      if (suspects.length === 0) continue;
      const placing = await folder.abandoned();
      // The rows are read again, because a file that was being placed a moment ago has a row now.
      yield* await this.#withoutRow(suspects.filter((path) => !placing.has(path.slice(0, 32))));
    }
  }

  remove(path: string): Promise<boolean> {
    return this.contents.removeOrphan(path);
  }

  async #withoutRow(paths: readonly string[]): Promise<string[]> {
    if (paths.length === 0) return [];
    const rows = await this.db
      .selectFrom('files')
      .select('path')
      .where('path', 'in', paths)
      .unionAll(this.db.selectFrom('pending_removals').select('path').where('path', 'in', paths))
      .execute();
    const known = new Set(rows.map((row) => row.path));
    return paths.filter((path) => !known.has(path));
  }
}
