/** Finds previews of deleted contents. */
import type { BlobStore } from '@cl-server/blobs';
import type { Orphans } from '@cl-server/insight';
import { inGroups } from '@cl-server/kit';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';

const BATCH_SIZE = 500;

const PREVIEW = /^\.derived\/previews\/[0-9a-f]{2}\/([0-9a-f]{64})\.png$/;
const digestOf = (key: string): string | undefined => PREVIEW.exec(key)?.[1];

/** Items are keys in the blob store of the media. */
export class OrphanedPreviews implements Orphans<string> {
  constructor(
    private readonly db: Kysely<StoreTables>,
    private readonly blobs: Pick<BlobStore, 'list' | 'delete'>,
    private readonly write: RunWrite,
  ) {}

  async *find(): AsyncGenerator<string> {
    for await (const keys of inGroups(this.blobs.list('.derived/previews/'), BATCH_SIZE))
      yield* await withoutContent(this.db, keys);
  }

  remove(key: string): Promise<boolean> {
    return this.write(null, async ({ db }) => {
      if ((await withoutContent(db, [key])).length === 0) return false;
      await this.blobs.delete(key);
      return true;
    });
  }
}

async function withoutContent(db: Kysely<StoreTables>, keys: readonly string[]): Promise<string[]> {
  const digests = [...new Set(keys.flatMap((key) => digestOf(key) ?? []))];
  if (digests.length === 0) return [];
  const rows = await db.selectFrom('files').select('sha256').where('sha256', 'in', digests).execute();
  const kept = new Set(rows.map(({ sha256 }) => sha256));
  return keys.filter((key) => {
    const digest = digestOf(key);
    return digest !== undefined && !kept.has(digest);
  });
}
