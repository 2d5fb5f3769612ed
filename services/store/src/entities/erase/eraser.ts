/**
 * Removes what was recorded for erasure: jobs with their folders, crops, retained messages, previews and streams.
 *
 * ```
 *        noted with the deletion          removed; the note is old
 * (none) ----------------------> noted --------------------> (none)
 *                                  |  ^
 *                                  +--+ removed, but the note is new; or the removal failed
 * ```
 *
 * Removals can be repeated. A note is kept for a while after the first removal, which is then repeated, because another
 * process may have read the entity before it was deleted and written something about it afterwards.
 */
import type { BlobStore } from '@cl-server/blobs';
import { eraseEntity } from '@cl-server/insight';
import type { JobEngine } from '@cl-server/jobs';
import type { Broadcaster, Logger } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { ErasureRow, StoreTables } from '../../database/tables.js';

export interface EraserOptions {
  readonly db: Kysely<StoreTables>;
  readonly jobs: Pick<JobEngine, 'repository' | 'storage'>;
  readonly blobs: Pick<BlobStore, 'deleteBelow'>;
  readonly previews: { remove(sha256: string): Promise<void> };
  readonly streams: { remove(sha256: string): Promise<void> };
  readonly broadcaster: Pick<Broadcaster, 'clearRetained'>;
  /** The port of the store, which is part of its topics. */
  readonly port: () => number;
  readonly logger: Logger;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Time in which other processes may still write about a deleted entity. Storing a result takes less. */
const KEEP_NOTE_MS = 10_000;
/** Interval of the regular passes. */
const INTERVAL_MS = 5_000;
const PAGE = 200;

export class Eraser {
  readonly #options: EraserOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #isClosed = false;

  constructor(options: EraserOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.wake(), INTERVAL_MS);
    this.#timer.unref();
    this.wake();
  }

  /** Starts a pass, because there may be something to remove. */
  wake(): void {
    if (this.#isClosed) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#isClosed) {
      this.#again = false;
      await this.#pass().catch((error: unknown) => {
        this.#options.logger.error(
          { err: error },
          'the list of things to erase could not be read; it is tried again soon',
        );
      });
    }
  }

  async #pass(): Promise<void> {
    let after: Pick<ErasureRow, 'kind' | 'target'> | undefined;
    for (;;) {
      const page = await this.#page(after);
      for (const row of page) {
        if (this.#isClosed) return;
        await this.#erase(row).catch((error: unknown) => {
          const { kind, target } = row;
          this.#options.logger.error(
            { err: error, kind, target },
            'something could not be erased; it is tried again soon',
          );
        });
      }
      after = page.at(-1);
      if (!after) return;
    }
  }

  #page(after: Pick<ErasureRow, 'kind' | 'target'> | undefined): Promise<ErasureRow[]> {
    const query = this.#options.db.selectFrom('erasures').selectAll().orderBy('kind').orderBy('target').limit(PAGE);
    if (!after) return query.execute();
    return query
      .where((eb) =>
        eb.or([eb('kind', '>', after.kind), eb.and([eb('kind', '=', after.kind), eb('target', '>', after.target)])]),
      )
      .execute();
  }

  async #erase(row: ErasureRow): Promise<void> {
    const { db, now } = this.#options;
    await this.#remove(row);
    if (row.noted_at > now() - KEEP_NOTE_MS) return;
    await db
      .deleteFrom('erasures')
      .where('kind', '=', row.kind)
      .where('target', '=', row.target)
      .where('noted_at', '=', row.noted_at)
      .execute();
  }

  async #remove({ kind, target }: ErasureRow): Promise<void> {
    const { db, jobs, blobs, previews, streams, broadcaster, port } = this.#options;
    switch (kind) {
      case 'job':
        await jobs.repository.deleteJob(target);
        await jobs.storage.remove(target); // a folder that was made before its row
        return;
      case 'entity':
        await eraseEntity(Number(target), { blobs, broadcaster, storePort: port() });
        return;
      case 'content': {
        // The content may have been uploaded again.
        const known = await db.selectFrom('files').select('sha256').where('sha256', '=', target).executeTakeFirst();
        if (!known) await Promise.all([previews.remove(target), streams.remove(target)]);
      }
    }
  }
}
