/** Previews of contents that were deleted. */
import path from 'node:path';
import type { Orphans } from '@cl-server/insight';
import { filesBelow, inGroups } from '@cl-server/kit';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import type { MediaFolder } from '../files/media-folder.js';

const BATCH_SIZE = 500;

/** `{2 digits}/{sha256}.png`; a preview that is being made has a longer name. */
const PREVIEW = /^[0-9a-f]{2}\/([0-9a-f]{64})\.png$/;

/** Items are paths relative to the media folder. */
export class OrphanedPreviews implements Orphans<string> {
  readonly #previews: string;

  constructor(
    private readonly db: Kysely<StoreTables>,
    private readonly folder: MediaFolder,
    private readonly write: RunWrite,
  ) {
    this.#previews = path.join(folder.derived, 'previews');
  }

  async *find(): AsyncGenerator<string> {
    for await (const names of inGroups(filesBelow(this.#previews), BATCH_SIZE))
      yield* await this.#withoutContent(this.db, names);
  }

  remove(file: string): Promise<boolean> {
    const name = path.relative(this.#previews, this.folder.resolve(file));
    return this.write(null, async ({ db }) => {
      if ((await this.#withoutContent(db, [name])).length === 0) return false;
      this.folder.removeNow(file);
      return true;
    });
  }

  async #withoutContent(db: Kysely<StoreTables>, names: readonly string[]): Promise<string[]> {
    const digestOf = (name: string) => PREVIEW.exec(name)?.[1];
    const digests = [...new Set(names.flatMap((name) => digestOf(name) ?? []))];
    if (digests.length === 0) return [];
    const rows = await db.selectFrom('files').select('sha256').where('sha256', 'in', digests).execute();
    const kept = new Set(rows.map(({ sha256 }) => sha256));
    return names.flatMap((name) => {
      const digest = digestOf(name);
      if (digest === undefined || kept.has(digest)) return [];
      return [path.relative(this.folder.root, path.join(this.#previews, name))];
    });
  }
}
