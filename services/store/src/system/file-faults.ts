/** Finds contents whose file is missing or differs from the uploaded bytes. */

import { pipeline } from 'node:stream/promises';
import type { BlobStore } from '@cl-server/blobs';
import type { AuditReport } from '@cl-server/contract';
import { DigestStream, inGroups } from '@cl-server/kit';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';

type MissingFile = AuditReport['missing_files'][number];
type DamagedFile = AuditReport['damaged_files'][number];

export interface FileFaults {
  readonly missing: readonly MissingFile[];
  readonly damaged: readonly DamagedFile[];
}

const GROUP = 500;
const AT_ONCE = 64;
/** The maximum number of entities that are listed for each missing file. */
const MAX_ENTITIES = 100;

async function* contents(db: Kysely<StoreTables>): AsyncGenerator<{ sha256: string; path: string }> {
  for (let after = ''; ; ) {
    const rows = await db
      .selectFrom('files')
      .select(['sha256', 'path'])
      .where('sha256', '>', after)
      .orderBy('sha256')
      .limit(GROUP)
      .execute();
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    after = last.sha256;
  }
}

/** The entities that refer to a content; empty if it was freed meanwhile, so that it is not missing. */
async function entitiesOf(db: Kysely<StoreTables>, sha256: string): Promise<number[]> {
  const rows = await db
    .selectFrom('entity_versions')
    .select('entity_id')
    .distinct()
    .where('sha256', '=', sha256)
    .limit(MAX_ENTITIES)
    .execute();
  return rows.map((row) => row.entity_id);
}

/** Checks many files at the same time, because each check waits for a turn of a busy event loop. */
async function* withPresence(blobs: BlobStore, rows: AsyncIterable<{ sha256: string; path: string }>) {
  for await (const group of inGroups(rows, AT_ONCE)) {
    const found = await Promise.all(group.map(({ path }) => blobs.head(path)));
    for (const [index, row] of group.entries()) yield { ...row, isThere: found[index] !== undefined };
  }
}

/** Null if the blob cannot be read. */
async function digestOf(blobs: BlobStore, key: string): Promise<string | null> {
  try {
    const blob = await blobs.open(key);
    const digesting = new DigestStream(['sha256']);
    digesting.resume(); // the bytes themselves are not wanted
    await pipeline(blob.stream(), digesting);
    return digesting.digests().sha256;
  } catch {
    return null;
  }
}

/**
 * @param verify read every file and compare its digest
 * @param limit faults after which the search ends
 */
export async function findFileFaults(
  db: Kysely<StoreTables>,
  blobs: BlobStore,
  verify: boolean,
  limit: number,
): Promise<FileFaults> {
  const missing: MissingFile[] = [];
  const damaged: DamagedFile[] = [];
  for await (const { sha256, path, isThere } of withPresence(blobs, contents(db))) {
    if (missing.length + damaged.length >= limit) break;
    const actual = isThere && verify ? await digestOf(blobs, path) : sha256;
    if (isThere && actual === sha256) continue;
    const entity_ids = await entitiesOf(db, sha256);
    if (entity_ids.length === 0) continue;
    if (isThere) damaged.push({ file_path: path, sha256, actual_sha256: actual });
    else missing.push({ file_path: path, sha256, entity_ids });
  }
  return { missing, damaged };
}
