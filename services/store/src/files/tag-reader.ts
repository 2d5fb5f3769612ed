/**
 * Reads the full metadata of each new content, behind the uploads: one file at a time, so that it never competes with
 * them. What is found is kept with the content; facts that the upload's quick look had missed are filled in.
 *
 * ```
 * pending --read--> complete
 *    |
 *    +--cannot be read--> failed
 * ```
 */
import { type Logger, messageOf } from '@cl-server/runtime';
import type { Kysely } from 'kysely';
import type { ReadFacts } from '../database/facts.js';
import type { FileRow, StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import type { MediaReading } from '../media/reading.js';
import type { MediaFolder } from './media-folder.js';

export interface TagReaderOptions {
  readonly db: Kysely<StoreTables>;
  readonly write: RunWrite;
  readonly reading: Pick<MediaReading, 'tags'>;
  readonly folder: MediaFolder;
  readonly logger: Logger;
}

const BATCH = 50;

/** Facts that were unknown; what an upload answered is not taken back. */
function newlyKnown(row: FileRow, found: ReadFacts): Partial<ReadFacts> {
  return Object.fromEntries(
    Object.entries(found).filter(([key, value]) => value !== null && row[key as keyof ReadFacts] === null),
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

  /** There may be something to do. */
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

  /** Ends with the file at hand. */
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
      logger.error({ err: error }, 'metadata is not read until the next upload');
    }
  }

  async #read(row: FileRow): Promise<void> {
    const { reading, folder, logger } = this.#options;
    try {
      const { facts, tags } = await reading.tags(folder.resolve(row.path));
      await this.#save(row, 'complete', newlyKnown(row, facts), tags);
    } catch (error) {
      if (this.#closed) return; // the next start reads it
      logger.warn({ err: error, sha256: row.sha256 }, `metadata was not read: ${messageOf(error)}`);
      await this.#save(row, 'failed', {}, null);
    }
  }

  async #save(row: FileRow, status: FileRow['tags_status'], known: Partial<ReadFacts>, tags: string | null) {
    await this.#options.write(null, async ({ db }) => {
      await db
        .updateTable('files')
        .set({ ...known, tags_status: status, tags })
        .where('sha256', '=', row.sha256)
        .execute();
      if (Object.keys(known).length > 0)
        await db.updateTable('entities').set(known).where('sha256', '=', row.sha256).execute();
    });
  }
}
