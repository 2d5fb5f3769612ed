/** Stores the results of ended jobs. Jobs that failed or vanished are recorded, so that they are retried. */

import { isTerminal, modelStamp as stampSchema } from '@cl-server/contract';
import type { JobEngine, JobRecord } from '@cl-server/jobs';
import type { Logger } from '@cl-server/service-kit';
import { type Follower, jobResult } from '../collect-context.js';
import type { InferenceRow } from '../database/tables.js';
import type { Insight } from '../define.js';
import { refreshKnown } from '../inferences/refresh-status.js';
import { literal, retryDelay } from '../inferences/status.js';
import { modelStamp } from '../model-stamp.js';
import type { EntityFeed, InsightDatabase, MediaStore, RunWrite } from '../port.js';
import type { InsightRegistry } from '../registry.js';
import { checkCollected, storeCollected } from './store-collected.js';
import type { WantedModels } from './wanted-models.js';

export interface CollectOptions {
  readonly db: InsightDatabase;
  readonly write: RunWrite;
  readonly feed: EntityFeed;
  readonly insights: InsightRegistry;
  readonly jobs: Pick<JobEngine, 'repository' | 'storage'>;
  readonly media: MediaStore;
  readonly logger: Logger;
}

type Running = InferenceRow & { readonly sha256: string };

async function runningRows(db: InsightDatabase): Promise<Running[]> {
  return db
    .selectFrom('inferences')
    .innerJoin('insights', 'insights.entity_id', 'inferences.entity_id')
    .selectAll('inferences')
    .select('insights.sha256')
    .where('inferences.status', '=', literal('processing'))
    .execute();
}

const JOB_LOST = 'the job was removed before its result was stored';
const NOT_STORED = 'the result could not be stored; the log of the insight worker says why';

export class ResultCollector {
  readonly #options: CollectOptions;

  constructor(options: CollectOptions) {
    this.#options = options;
  }

  /** @returns entities whose inferences changed */
  async collect(models: WantedModels): Promise<number[]> {
    const { db, jobs } = this.#options;
    const rows = await runningRows(db);
    if (rows.length === 0) return [];
    const known = await jobs.repository.getJobs(rows.flatMap(({ job_id }) => (job_id === null ? [] : [job_id])));
    const changed = new Set<number>();
    for (const row of rows) {
      const job = row.job_id === null ? undefined : known.get(row.job_id);
      if (job && !isTerminal(job.status)) {
        if (job.started_at !== null && row.started_at === null) {
          await this.#save(row, { started_at: job.started_at });
          changed.add(row.entity_id);
        }
        continue;
      }
      changed.add(row.entity_id);
      if (!job) await this.#save(row, { status: 'pending', error_message: JOB_LOST });
      else if (job.status === 'completed') await this.#store(row, job, models);
      else await this.#fail(row, job.error_code ?? 'task_failed', job.error_message ?? 'no reason was given', job);
    }
    return [...changed];
  }

  async #store(row: Running, job: JobRecord, models: WantedModels): Promise<void> {
    const { write, feed, media, logger, jobs, insights } = this.#options;
    try {
      const insight = insights.get(row.task_type);
      if (!insight) throw new Error(`the insight ${row.task_type} is not installed`);
      const model = madeWith(insight, job) ?? row.model;
      if (model !== row.model) {
        const text = `it was made with ${model}, not with ${row.model}: restart the workers to make them use it`;
        return await this.#fail(row, 'task_failed', text, job);
      }
      const result = jobResult(job, jobs.storage);
      const about = { entityId: row.entity_id, subject: row.subject, sha256: row.sha256 };
      const collected = insight.collect
        ? await inTime(
            insight.collect(result, about, { media, followers: followersOf(insight, insights, models) }),
            insight,
          )
        : { value: result.output };
      checkCollected(insight, collected);
      const freed = await write(null, async (tx) => {
        const { db, now } = tx;
        if (!(await stillRunning(db, row))) return collected.files ?? [];
        const files = await storeCollected(db, { insight, about, model, collected, now });
        const remark = job.task_output?.['picture_error'];
        if (typeof remark === 'string') await feed.noteDamage(tx, row.sha256, remark);
        await update(db, row, {
          status: 'completed',
          started_at: job.started_at,
          completed_at: job.completed_at ?? now,
          error_code: null,
          error_message: null,
        });
        await refreshKnown(db, row.entity_id, now);
        return files;
      });
      for (const file of freed) await media.blobs.delete(file);
      // The result is in the database; the row of the job stays as its history.
      await jobs.storage.remove(job.job_id);
    } catch (error) {
      logger.error({ err: error, entity: row.entity_id, job: job.job_id }, 'a result could not be stored');
      await this.#fail(row, 'task_failed', NOT_STORED, job);
    }
  }

  async #fail(row: Running, code: string, message: string, job: JobRecord): Promise<void> {
    const delay = retryDelay(code, row.tries);
    await this.#options.write(null, async ({ db, now }) => {
      await update(db, row, {
        status: 'failed',
        error_code: code,
        error_message: message,
        started_at: job.started_at,
        completed_at: job.completed_at ?? now,
        not_before: delay === null ? Number.MAX_SAFE_INTEGER : now + delay,
      });
      await refreshKnown(db, row.entity_id, now);
    });
    await this.#options.jobs.storage.remove(job.job_id);
  }

  async #save(row: Running, values: Partial<InferenceRow>): Promise<void> {
    await this.#options.write(null, async ({ db, now }) => {
      await update(db, row, values);
      await refreshKnown(db, row.entity_id, now);
    });
  }
}

/** The insight of a plugin must not stop the worker. */
const COLLECT_TIMEOUT_MS = 60_000;

async function inTime<T>(work: Promise<T>, { name }: Insight): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const text = `insight ${name} did not collect its result within ${COLLECT_TIMEOUT_MS / 1000} s`;
    timer = setTimeout(() => reject(new Error(text)), COLLECT_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The model that made a result, as the task reports it; undefined for an insight without a model. */
const madeWith = ({ model }: Insight, { task_output }: JobRecord): string | undefined =>
  model === undefined ? undefined : modelStamp(stampSchema.parse(task_output));

const followersOf = ({ name }: Insight, insights: InsightRegistry, models: WantedModels): Follower[] =>
  insights.followersOf(name).map((follower) => ({
    name: follower.name,
    model: models.of(follower.name),
    vectorKind: follower.vector?.kind,
  }));

type Db = Parameters<Parameters<RunWrite>[1]>[0]['db'];

/** The entity may have been changed or removed while the result was read. */
async function stillRunning(db: Db, row: Running): Promise<boolean> {
  const found = await db
    .selectFrom('inferences')
    .innerJoin('insights', 'insights.entity_id', 'inferences.entity_id')
    .select('inferences.job_id')
    .where('inferences.entity_id', '=', row.entity_id)
    .where('inferences.task_type', '=', row.task_type)
    .where('inferences.subject', '=', row.subject)
    .where('inferences.status', '=', 'processing')
    .where('inferences.job_id', '=', row.job_id)
    .where('insights.sha256', '=', row.sha256)
    .executeTakeFirst();
  return found !== undefined;
}

async function update(db: Db, row: Running, values: Partial<InferenceRow>): Promise<void> {
  await db
    .updateTable('inferences')
    .set(values)
    .where('entity_id', '=', row.entity_id)
    .where('task_type', '=', row.task_type)
    .where('subject', '=', row.subject)
    .where('job_id', '=', row.job_id)
    .execute();
}
