/** Compares database and media folder while both are in use. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import fs from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { AuditReport } from '@cl-server/contract';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { Contents } from '../files/contents.js';
import { filesBelow, inGroups } from '../files/walk.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type FileFaults = Pick<Writable<AuditReport>, 'missing_files' | 'damaged_files'>;

const MAX_ITEMS = 10_000;
const GROUP = 500;

async function sha256Of(file: string): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  } catch {
    return null;
  }
  return hash.digest('hex');
}

export class Audit {
  /** @param now milliseconds */
  constructor(
    private readonly db: Kysely<StoreTables>,
    private readonly contents: Contents,
    private readonly now: () => number,
  ) {}

  /** @param verify read every file and compare its digest */
  async run(verify: boolean): Promise<AuditReport> {
    const orphans: string[] = [];
    for await (const path of this.orphans()) {
      orphans.push(path);
      if (orphans.length > MAX_ITEMS) break;
    }
    const faults = await this.#faults(verify);
    return {
      orphaned_files: orphans.slice(0, MAX_ITEMS).map((path) => ({ file_path: path, absolute_path: path })),
      orphaned_faces: [],
      orphaned_vectors: [],
      orphaned_mqtt: [],
      ...faults,
      truncated: Math.max(orphans.length, faults.missing_files.length, faults.damaged_files.length) >= MAX_ITEMS,
      timestamp: this.now(),
    };
  }

  /** Files that no row refers to. One that is being placed at this moment is none. */
  async *orphans(): AsyncGenerator<string> {
    const { folder } = this.contents;
    for await (const group of inGroups(filesBelow(folder.root), GROUP)) {
      const suspects = await this.#withoutRow(group);
      if (suspects.length === 0) continue;
      const placing = await folder.abandoned();
      // Rows are asked for again: what was being placed a moment ago has one now.
      yield* await this.#withoutRow(suspects.filter((path) => !placing.has(path.slice(0, 32))));
    }
  }

  /** Removes every orphan, looking at each again under the lock in which it goes. @returns how many */
  async clear(): Promise<number> {
    let removed = 0;
    for await (const path of this.orphans()) if (await this.contents.removeOrphan(path)) removed++;
    return removed;
  }

  async #withoutRow(paths: readonly string[]): Promise<string[]> {
    if (paths.length === 0) return [];
    const rows = await this.db.selectFrom('files').select('path').where('path', 'in', paths).execute();
    const known = new Set(rows.map((row) => row.path));
    return paths.filter((path) => !known.has(path));
  }

  async *#rows(): AsyncGenerator<{ sha256: string; path: string }> {
    let after = '';
    for (;;) {
      const rows = await this.db
        .selectFrom('files')
        .select(['sha256', 'path'])
        .where('sha256', '>', after)
        .orderBy('sha256')
        .limit(GROUP)
        .execute();
      if (rows.length === 0) return;
      yield* rows;
      after = rows.at(-1)?.sha256 ?? '';
    }
  }

  async #faults(verify: boolean): Promise<FileFaults> {
    const missing: { sha256: string; path: string }[] = [];
    const damaged: FileFaults['damaged_files'] = [];
    for await (const { sha256, path } of this.#rows()) {
      if (missing.length + damaged.length >= MAX_ITEMS) break;
      const file = this.contents.folder.resolve(path);
      const isThere = await fs.access(file).then(
        () => true,
        () => false,
      );
      if (!isThere) missing.push({ sha256, path });
      else if (verify) {
        const actual = await sha256Of(file);
        if (actual !== sha256) damaged.push({ file_path: path, sha256, actual_sha256: actual });
      }
    }
    return { missing_files: await this.#withEntities(missing), damaged_files: damaged };
  }

  /** A content that was freed meanwhile is not missing. */
  async #withEntities(missing: readonly { sha256: string; path: string }[]): Promise<FileFaults['missing_files']> {
    const found: FileFaults['missing_files'] = [];
    for (const { sha256, path } of missing) {
      const rows = await this.db
        .selectFrom('entity_versions')
        .select('entity_id')
        .distinct()
        .where('sha256', '=', sha256)
        .limit(100)
        .execute();
      if (rows.length > 0) found.push({ file_path: path, sha256, entity_ids: rows.map((row) => row.entity_id) });
    }
    return found;
  }
}
