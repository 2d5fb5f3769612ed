/** Deleting jobs: at their owner's request, or because they ended long ago. Rows are deleted first, then files. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TERMINAL_STATUSES } from '@cl-server/contract';
import type { JobContext } from '../context.js';
import type { Committed } from '../events/publisher.js';
import type { JobStorage } from '../storage/job-files.js';
import type { JobRow } from '../tables.js';
import { deleteCrashes } from './crashes.js';
import type { JobQuery, JobUpdates } from './update.js';

const WINDOW_SIZE = 2_000;
const BATCH_SIZE = 100;
/** Age of the last crash on a file from which the file is accepted again. */
const CRASH_RETENTION_MS = 30 * 86_400_000;

export interface Cleanup {
  readonly deleted_count: number;
  readonly freed_space: number;
}

export class JobDeletion {
  readonly #context: JobContext;
  readonly #updates: JobUpdates;
  readonly #storage: Pick<JobStorage, 'remove' | 'sizeOf'>;

  constructor(context: JobContext, updates: JobUpdates, storage: Pick<JobStorage, 'remove' | 'sizeOf'>) {
    this.#context = context;
    this.#updates = updates;
    this.#storage = storage;
  }

  async delete(jobId: string): Promise<boolean> {
    const removed = await this.#deleteRows((query) => query.where('job_id', '=', jobId));
    for (const row of removed) await this.#storage.remove(row.job_id);
    return removed.length > 0;
  }

  /** Crashes of the job itself are deleted with it; those of a file are not, because the file may come again. */
  async #deleteRows(find: (query: JobQuery) => JobQuery): Promise<readonly JobRow[]> {
    const { database, publishesStatus, publish } = this.#context;
    const announcements: Committed[] = [];
    const rows = await this.#updates.transaction(async (tx) => {
      announcements.length = 0;
      const found = await database.adapter.lockRows(find(tx.selectFrom('jobs').selectAll())).execute();
      for (const row of found) {
        await tx.deleteFrom('jobs').where('seq', '=', row.seq).execute();
        if (row.input_sha256 === null) await deleteCrashes(tx, row);
        if (publishesStatus || row.shown === 1) announcements.push(await this.#updates.announce(tx, row, 'deleted'));
      }
      return found;
    });
    publish(announcements);
    return rows;
  }

  /** @param most jobs to remove at most */
  async cleanup(endedBefore: number, most = Number.POSITIVE_INFINITY): Promise<Cleanup> {
    const { database, now } = this.#context;
    let deleted_count = 0;
    let freed_space = 0;
    for await (const ended of this.#ended(endedBefore)) {
      const jobIds = ended.slice(0, most - deleted_count);
      // The conditions are checked again under lock: a job may have been retried since.
      const removed = await this.#deleteRows((query) =>
        query
          .where('job_id', 'in', jobIds)
          .where('status', 'in', [...TERMINAL_STATUSES])
          .where('completed_at', '<', endedBefore),
      );
      for (const { job_id } of removed) {
        deleted_count += 1;
        freed_space += await this.#storage.sizeOf(job_id);
        await this.#storage.remove(job_id);
      }
      if (deleted_count >= most) break;
    }
    await database.kysely
      .deleteFrom('job_crashes')
      .where('last_at', '<', now() - CRASH_RETENTION_MS)
      .execute();
    return { deleted_count, freed_space };
  }

  /** Walks the table in windows, oldest first, so that no query holds the event loop. Ends when all jobs are younger. */
  async *#ended(endedBefore: number): AsyncGenerator<string[]> {
    const { kysely } = this.#context.database;
    let after = 0;
    for (;;) {
      const window = await kysely
        .selectFrom('jobs')
        .select(['seq', 'job_id', 'status', 'created_at', 'completed_at'])
        .where('seq', '>', after)
        .orderBy('seq')
        .limit(WINDOW_SIZE)
        .execute();
      const last = window.at(-1);
      if (!last) return;
      after = last.seq;
      const ids = window
        .filter((row) => row.completed_at !== null && row.completed_at < endedBefore)
        .map(({ job_id }) => job_id);
      for (let from = 0; from < ids.length; from += BATCH_SIZE) yield ids.slice(from, from + BATCH_SIZE);
      // Jobs are numbered as they are created. A single row does not count: the clock may have been wrong at that moment.
      if (window.every((row) => row.created_at >= endedBefore)) return;
      await nextTurn();
    }
  }
}
