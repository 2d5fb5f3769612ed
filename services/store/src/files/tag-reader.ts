/**
 * Reads the full metadata of each new content in the background, one file at a time, so that it does not delay uploads. The
 * tags are kept with the content; facts that the quick reading during the upload missed or got wrong are corrected.
 *
 * ```
 * pending --read--> complete
 *    |
 *    +--cannot be read--> failed
 * ```
 */
import type { BlobStore } from '@cl-server/blobs';
import { messageOf } from '@cl-server/kit';
import type { Logger } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { ReadFacts } from '../database/facts.js';
import type { FileRow, StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import type { MediaReading } from '../media/reading.js';

import { type FactsListener, setFacts, withRemark } from './late-facts.js';

export interface TagReaderOptions {
  readonly db: Kysely<StoreTables>;
  readonly write: RunWrite;
  readonly reading: Pick<MediaReading, 'tags'>;
  readonly blobs: Pick<BlobStore, 'localFile'>;
  readonly onCorrected: FactsListener;
  readonly logger: Logger;
}

const BATCH = 50;

/** Facts that only tags have: if the full reading does not find them, the quick reading was wrong. */
const FROM_TAGS = ['create_date', 'create_date_offset', 'camera', 'latitude', 'longitude'] as const;
/** Facts that only make sense together. */
const TOGETHER = [
  ['create_date', 'create_date_offset'],
  ['latitude', 'longitude'],
  ['width', 'height'],
] as const;

/** The facts in which the full reading differs from the quick one. A reading with a problem removes no facts. */
function corrections(row: FileRow, found: ReadFacts): Partial<ReadFacts> {
  const keys = new Set(Object.entries(found).flatMap(([key, value]) => (value === null ? [] : [key])));
  for (const [first, second] of TOGETHER) if (keys.has(first)) keys.add(second);
  if (found.metadata_error === null) for (const key of FROM_TAGS) keys.add(key);
  return Object.fromEntries(
    Object.entries(found).filter(([key, value]) => keys.has(key) && row[key as keyof ReadFacts] !== value),
  );
}

export class TagReader {
  readonly #options: TagReaderOptions;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(options: TagReaderOptions) {
    this.#options = options;
  }

  /** Starts reading, because there may be new contents. */
  wake(): void {
    if (this.#closed) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again) {
        this.#again = false;
        this.wake();
      }
    });
  }

  /** Ends after the current file. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { db, logger } = this.#options;
    try {
      for (;;) {
        const rows = await db
          .selectFrom('files')
          .selectAll()
          .where('tags_status', '=', 'pending')
          .orderBy('added_at')
          .limit(BATCH)
          .execute();
        if (rows.length === 0) return;
        for (const row of rows) {
          if (this.#closed) return;
          await this.#read(row);
        }
      }
    } catch (error) {
      logger.error({ err: error }, 'reading of metadata stopped; the next upload starts it again');
    }
  }

  async #read(row: FileRow): Promise<void> {
    const { reading, blobs, logger } = this.#options;
    try {
      const { facts, tags } = await reading.tags(await blobs.localFile(row.path));
      await this.#save(row, 'complete', corrections(row, facts), tags);
    } catch (error) {
      if (this.#closed) return; // the next start reads it
      if (!(await this.#isKept(row))) {
        logger.debug({ err: error, sha256: row.sha256 }, 'metadata was not read: the file was deleted meanwhile');
        return;
      }
      logger.warn({ err: error, sha256: row.sha256 }, `metadata could not be read: ${messageOf(error)}`);
      await this.#save(row, 'failed', {}, null);
    }
  }

  async #isKept({ sha256 }: FileRow): Promise<boolean> {
    const { db } = this.#options;
    return (
      (await db.selectFrom('files').select('sha256').where('sha256', '=', sha256).executeTakeFirst()) !== undefined
    );
  }

  async #save(row: FileRow, status: FileRow['tags_status'], better: Partial<ReadFacts>, tags: string | null) {
    await this.#options.write(null, async (tx) => {
      // A preview may have found the picture damaged meanwhile.
      if (better.metadata_error !== undefined) {
        const { sha256 } = row;
        const now = await tx.db
          .selectFrom('files')
          .select('metadata_error')
          .where('sha256', '=', sha256)
          .executeTakeFirst();
        better = { ...better, metadata_error: withRemark(better.metadata_error, now?.metadata_error ?? null) };
      }
      await tx.db
        .updateTable('files')
        .set({ ...better, tags_status: status, tags })
        .where('sha256', '=', row.sha256)
        .execute();
      await setFacts(tx, row.sha256, better, this.#options.onCorrected);
    });
  }
}
