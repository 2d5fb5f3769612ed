/**
 * Retained statuses on the broker: those of jobs that ended long ago are cleared, wrong ones are corrected.
 * Each change of a job publishes its status, and a process that dies
 * between reading a job and publishing it, or between publishing it and noticing that the job is gone, leaves one that
 * no later change corrects. The broker is asked for all that it retains, and each is compared with the database.
 */
import { TOPICS } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { StatusTopic } from '../events/status-topic.js';
import type { JobRecord } from '../job.js';
import type { JobTables } from '../tables.js';

/** How long the last state of a job stays on its topic. */
const RETENTION_MS = 3_600_000;
const BATCH_SIZE = 200;

const TOPIC = TOPICS.jobStatus('');
/** Statuses looked at in one sweep; those beyond are looked at when these are gone. */
const MAX_STATUSES = 100_000;
/** The broker has sent all when it has been quiet for so long. */
const QUIET_MS = 300;
const MAX_MS = 10_000;

export interface StaleStatusesOptions {
  readonly broadcaster: Broadcaster;
  readonly status: StatusTopic;
  readonly read: (jobIds: readonly string[]) => Promise<ReadonlyMap<string, JobRecord>>;
  /** Whether the broker is this platform's alone: a status of an unknown job is otherwise left, it may be another's. */
  readonly ownsBroker: boolean;
  readonly now: () => number;
}

/** @returns how many were corrected or cleared */
export async function correctStaleStatuses(options: StaleStatusesOptions): Promise<number> {
  const shown = [...(await retainedStatuses(options.broadcaster))];
  let corrected = 0;
  for (let at = 0; at < shown.length; at += BATCH_SIZE) {
    const batch = shown.slice(at, at + BATCH_SIZE);
    const jobs = await options.read(batch.map(([id]) => id));
    for (const [id, status] of batch) if (await correct(id, status, jobs.get(id), options)) corrected += 1;
  }
  return corrected;
}

async function correct(
  jobId: string,
  shown: unknown,
  job: JobRecord | undefined,
  { status, ownsBroker, now }: StaleStatusesOptions,
): Promise<boolean> {
  if (!job) return ownsBroker && status.clear(jobId);
  if (job.status === shown) return false;
  // A status of a job that ended this long ago has been cleared already.
  if (job.completed_at !== null && job.completed_at < now() - RETENTION_MS) return status.clear(jobId);
  status.show(jobId, false);
  return true;
}

/** @returns the status that the broker retains of each job */
async function retainedStatuses(broadcaster: Broadcaster): Promise<ReadonlyMap<string, unknown>> {
  const statuses = new Map<string, unknown>();
  let isQuiet: () => void = () => undefined;
  const quiet = new Promise<void>((resolve) => {
    isQuiet = resolve;
  });
  const limit = setTimeout(isQuiet, MAX_MS);
  const timer = setTimeout(isQuiet, QUIET_MS);
  const stop = await broadcaster.subscribe(`${TOPIC}+`, (topic, payload, retained) => {
    const jobId = topic.slice(TOPIC.length);
    // A message that comes live is newer than what was retained.
    if (!retained) statuses.delete(jobId);
    else if (statuses.size < MAX_STATUSES) {
      statuses.set(jobId, statusIn(payload));
      timer.refresh();
    } else isQuiet();
  });
  await quiet;
  clearTimeout(timer);
  clearTimeout(limit);
  await stop();
  return statuses;
}

function statusIn(payload: Buffer): unknown {
  try {
    return (JSON.parse(payload.toString()) as { status?: unknown } | null)?.status;
  } catch {
    return undefined;
  }
}

/** Clears retained statuses of jobs that ended long ago. @returns how many */
export async function clearOldStatuses(kysely: Kysely<JobTables>, status: StatusTopic, now: number): Promise<number> {
  let cleared = 0;
  for (;;) {
    const rows = await kysely
      .selectFrom('jobs')
      .select(['seq', 'job_id'])
      .where('shown', '=', 1)
      .where('completed_at', '<', now - RETENTION_MS)
      .limit(BATCH_SIZE)
      .execute();
    const done: number[] = [];
    for (const { seq, job_id } of rows) if (await status.clear(job_id)) done.push(seq);
    if (done.length > 0)
      await kysely
        .updateTable('jobs')
        .set({ shown: 0 })
        .where('seq', 'in', done)
        .where('completed_at', '<', now - RETENTION_MS)
        .execute();
    cleared += done.length;
    if (rows.length < BATCH_SIZE || done.length < rows.length) return cleared;
  }
}
