import type { Kysely } from 'kysely';
import type { StatusTopic } from '../events/status-topic.js';
import type { JobTables } from '../tables.js';

/** A job's last state stays on its topic so long. */
export const SHOWN_MS = 3_600_000;
const BATCH = 200;

/** Takes retained statuses of jobs that ended long ago off the broker. @returns how many */
export async function clearOldStatuses(kysely: Kysely<JobTables>, status: StatusTopic, now: number): Promise<number> {
  let cleared = 0;
  for (;;) {
    const rows = await kysely
      .selectFrom('jobs')
      .select(['seq', 'job_id'])
      .where('shown', '=', 1)
      .where('completed_at', '<', now - SHOWN_MS)
      .limit(BATCH)
      .execute();
    const done: number[] = [];
    for (const { seq, job_id } of rows) if (await status.clear(job_id)) done.push(seq);
    if (done.length > 0)
      await kysely
        .updateTable('jobs')
        .set({ shown: 0 })
        .where('seq', 'in', done)
        .where('completed_at', '<', now - SHOWN_MS)
        .execute();
    cleared += done.length;
    if (rows.length < BATCH || done.length < rows.length) return cleared;
  }
}
