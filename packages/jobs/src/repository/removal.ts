/** Jobs that go: by their owner's wish, or because they ended long ago. Rows first, then files. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TERMINAL_STATUSES } from '@cl-server/contract';
import type { Database } from '@cl-server/service-kit';
import type { Committed } from '../events/committed.js';
import type { LocalJobStorage } from '../storage/local.js';
import type { JobRow, JobTables } from '../tables.js';
import type { Changes, JobQuery } from './changes.js';
import { forgetCrashes } from './crashes.js';

const WINDOW = 2_000;
const BATCH = 100;
/** A crash that nobody repeated for this long is no reason any more to refuse a file. */
const CRASHES_KEPT_MS = 30 * 86_400_000;

export interface RemovalOptions {
  readonly database: Database<JobTables>;
  readonly changes: Changes;
  readonly storage: LocalJobStorage;
  /** Whether retained statuses are published. */
  readonly shows: boolean;
  readonly now: () => number;
  readonly committed: (changes: readonly Committed[]) => void;
}

export class Removal {
  readonly #options: RemovalOptions;

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  async remove(jobId: string): Promise<boolean> {
    const removed = await this.#removeRows((query) => query.where('job_id', '=', jobId));
    for (const row of removed) await this.#options.storage.remove(row.job_id);
    return removed.length > 0;
  }

  /** The crash of the job itself is forgotten with it; that of a file is not, for the file may come again. */
  async #removeRows(find: (query: JobQuery) => JobQuery): Promise<readonly JobRow[]> {
    const { database, changes, shows, committed } = this.#options;
    const announcements: Committed[] = [];
    const rows = await changes.transaction(async (tx) => {
      announcements.length = 0;
      const found = await database.adapter.lockRows(find(tx.selectFrom('jobs').selectAll())).execute();
      for (const row of found) {
        await tx.deleteFrom('jobs').where('seq', '=', row.seq).execute();
        if (row.input_sha256 === null) await forgetCrashes(tx, row);
        if (shows || row.shown === 1) announcements.push(await changes.announce(tx, row, 'deleted'));
      }
      return found;
    });
    committed(announcements);
    return rows;
  }

  /** @param most jobs to remove at most */
  async cleanup(
    endedBefore: number,
    most = Number.POSITIVE_INFINITY,
  ): Promise<{ deleted_count: number; freed_space: number }> {
    const { database, storage, now } = this.#options;
    let deleted_count = 0;
    let freed_space = 0;
    for await (const ended of this.#ended(endedBefore)) {
      const jobIds = ended.slice(0, most - deleted_count);
      // Looked at again under lock: a job may have been retried since.
      const removed = await this.#removeRows((query) =>
        query
          .where('job_id', 'in', jobIds)
          .where('status', 'in', [...TERMINAL_STATUSES])
          .where('completed_at', '<', endedBefore),
      );
      for (const { job_id } of removed) {
        deleted_count += 1;
        freed_space += await storage.sizeOf(job_id);
        await storage.remove(job_id);
      }
      if (deleted_count >= most) break;
    }
    await database.kysely
      .deleteFrom('job_crashes')
      .where('last_at', '<', now() - CRASHES_KEPT_MS)
      .execute();
    return { deleted_count, freed_space };
  }

  /** Walks the table in windows, oldest first, so that no query holds the event loop. Ends where all jobs are younger. */
  async *#ended(endedBefore: number): AsyncGenerator<string[]> {
    const { kysely } = this.#options.database;
    let after = 0;
    for (;;) {
      const window = await kysely
        .selectFrom('jobs')
        .select(['seq', 'job_id', 'status', 'created_at', 'completed_at'])
        .where('seq', '>', after)
        .orderBy('seq')
        .limit(WINDOW)
        .execute();
      const last = window.at(-1);
      if (!last) return;
      after = last.seq;
      const ids = window
        .filter((row) => row.completed_at !== null && row.completed_at < endedBefore)
        .map(({ job_id }) => job_id);
      for (let from = 0; from < ids.length; from += BATCH) yield ids.slice(from, from + BATCH);
      // Jobs are numbered as they are created. A single row is not trusted: the clock may have been wrong at that moment.
      if (window.every((row) => row.created_at >= endedBefore)) return;
      await nextTurn();
    }
  }
}
