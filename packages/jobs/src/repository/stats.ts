import type { JobStatus } from '@cl-server/contract';
import type { Kysely } from 'kysely';
import type { JobTables } from '../tables.js';
import type { QueueStats, Stats } from '../types.js';

/** Jobs per status, of everyone or of one creator. */
export async function countByStatus(
  db: Kysely<JobTables>,
  createdBy?: string,
): Promise<Readonly<Record<JobStatus, number>>> {
  const counts: Record<JobStatus, number> = { queued: 0, processing: 0, completed: 0, failed: 0 };
  let query = db
    .selectFrom('jobs')
    .select(['status', (eb) => eb.fn.countAll<number>().as('count')])
    .groupBy('status');
  if (createdBy !== undefined) query = query.where('created_by', '=', createdBy);
  for (const { status, count } of await query.execute()) counts[status] = Number(count);
  return counts;
}

/** Depth and age of the queue by task; reads live jobs only, by their own small indexes. */
export async function queueStats(db: Kysely<JobTables>, now: number): Promise<Stats> {
  const live = (status: 'queued' | 'processing') =>
    db
      .selectFrom('jobs')
      .select(['task_type', (eb) => eb.fn.countAll<number>().as('count'), (eb) => eb.fn.min('created_at').as('oldest')])
      .where('status', '=', status)
      .groupBy('task_type')
      .execute();
  const byTask = new Map<string, QueueStats>();
  for (const { task_type, count, oldest } of await live('queued'))
    byTask.set(task_type, {
      task_type,
      queued: Number(count),
      processing: 0,
      oldest_queued_ms: Math.max(0, now - oldest),
    });
  for (const { task_type, count } of await live('processing'))
    byTask.set(task_type, {
      ...(byTask.get(task_type) ?? { task_type, queued: 0, oldest_queued_ms: null }),
      processing: Number(count),
    });
  const { waiting } = await db
    .selectFrom('job_outbox')
    .select((eb) => eb.fn.countAll<number>().as('waiting'))
    .executeTakeFirstOrThrow();
  return {
    by_task: [...byTask.values()].sort((a, b) => a.task_type.localeCompare(b.task_type)),
    outbox: Number(waiting),
  };
}
