/**
 * Turns pending inferences into jobs, a limited number at once: an import of a million photos must not fill the queue in
 * which a user's own jobs wait. The jobs also have a low priority.
 */

import { createHash } from 'node:crypto';
import type { CreationRequest, JobCreation } from '@cl-server/job-routes';
import { messageOf } from '@cl-server/kit';
import { HttpError, type Logger } from '@cl-server/service-kit';
import { type AnyTask, parseParams } from '@cl-server/task-kit';
import { sql } from 'kysely';
import type { InferenceRow } from '../database/tables.js';
import type { Insight } from '../define.js';
import { refreshKnown } from '../inferences/refresh-status.js';
import { literal, retryDelay } from '../inferences/status.js';
import type { InputSource, JobInput } from '../inputs.js';
import { INSIGHT_OWNER } from '../owner.js';
import type { EntityFeed, InsightDatabase, RunWrite } from '../port.js';
import type { InsightRegistry } from '../registry.js';

/** Lower than the default of users' jobs. */
const PRIORITY = 3;

export interface DispatchOptions {
  readonly db: InsightDatabase;
  readonly write: RunWrite;
  readonly feed: EntityFeed;
  readonly insights: InsightRegistry;
  readonly creation: Pick<JobCreation, 'create'>;
  readonly task: (type: string) => AnyTask | undefined;
  readonly inputs: InputSource;
  readonly logger: Logger;
  /** Maximum number of insight jobs queued or running. */
  readonly maxRunning: number;
}

type Pending = Pick<InferenceRow, 'entity_id' | 'task_type' | 'subject' | 'model' | 'tries' | 'job_id'> & {
  readonly sha256: string;
  readonly entity_version: number;
};

/** A pending inference with the properties of its entity that its job needs. */
interface PendingRow {
  readonly row: Pending;
  readonly type: string | null;
}

async function pendingRows(
  db: InsightDatabase,
  feed: EntityFeed,
  { now, names, limit }: { readonly now: number; readonly names: readonly string[]; readonly limit: number },
): Promise<PendingRow[]> {
  const rows = await db
    .selectFrom('inferences')
    .innerJoin('insights', 'insights.entity_id', 'inferences.entity_id')
    .select([
      'inferences.entity_id',
      'inferences.task_type',
      'inferences.subject',
      'inferences.model',
      'inferences.tries',
      'inferences.job_id',
      'insights.entity_version',
      'insights.sha256',
    ])
    .where('inferences.status', '=', literal('pending'))
    .where('inferences.not_before', '<=', now)
    .where('inferences.task_type', 'in', [...names])
    // If the content was replaced, the inferences of the earlier content are about to be deleted.
    .where(feed.hasContent(sql.ref('inferences.entity_id'), sql.ref('insights.sha256')))
    .orderBy('inferences.not_before')
    .orderBy('inferences.entity_id')
    .limit(limit)
    .execute();
  const entities = await feed.find([...new Set(rows.map(({ entity_id }) => entity_id))]);
  const types = new Map(entities.map(({ id, type }) => [id, type]));
  return rows.map((row) => ({ row, type: types.get(row.entity_id) ?? null }));
}

async function runningCount(db: InsightDatabase): Promise<number> {
  const row = await db
    .selectFrom('inferences')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('status', '=', literal('processing'))
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/**
 * A retry makes another job, because the previous job is part of the key. If one try is queued twice because a process died
 * in between, both are the same job.
 */
const idempotencyKey = ({ tries: _, ...row }: Pending): string =>
  createHash('sha256').update(JSON.stringify(row)).digest('hex');

function requestOf(
  row: Pending,
  { task: type, params: fields = {} }: Insight,
  task: AnyTask,
  input: JobInput,
): CreationRequest {
  const params = parseParams(task, fields);
  if (!params.success) throw new HttpError(422, `task ${type} of this server takes other parameters`);
  return {
    task,
    params: params.data,
    priority: PRIORITY,
    input,
    owner: INSIGHT_OWNER,
    idempotencyKey: idempotencyKey(row),
  };
}

export class Dispatcher {
  readonly #options: DispatchOptions;

  constructor(options: DispatchOptions) {
    this.#options = options;
  }

  /**
   * Queues as many jobs as there is room for.
   * @param able insights whose task a live worker can run; no job is made for the others
   * @returns entities whose inferences changed
   */
  async dispatch(now: number, able: ReadonlySet<string>): Promise<number[]> {
    const { db, feed, maxRunning } = this.#options;
    if (able.size === 0) return [];
    const room = maxRunning - (await runningCount(db));
    if (room <= 0) return [];
    const rows = await pendingRows(db, feed, { now, names: [...able], limit: room });
    for (const pending of rows) await this.#queue(pending);
    return [...new Set(rows.map(({ row }) => row.entity_id))];
  }

  async #queue({ row, type }: PendingRow): Promise<void> {
    const { insights, task: taskOf, inputs, creation, logger } = this.#options;
    let jobId: string;
    try {
      const insight = insights.get(row.task_type);
      const input = insight?.appliesTo[type ?? ''];
      if (!insight || !input) throw new HttpError(422, `${row.task_type} is not made for entities of type ${type}`);
      const task = taskOf(insight.task);
      if (!task) throw new HttpError(404, `no task ${insight.task} is installed`, { code: 'tool_missing' });
      const file = await input.read(inputs, row.entity_id, row.subject);
      ({ job_id: jobId } = await creation.create(requestOf(row, insight, task, file)));
    } catch (error) {
      logger.warn(
        { err: error, entity: row.entity_id, insight: row.task_type },
        'a job of an insight could not be queued',
      );
      await this.#save(row, async (now) => failure(error, row.tries, now));
      return;
    }
    const isSaved = await this.#save(row, async (now) => ({
      status: 'processing',
      job_id: jobId,
      tries: row.tries + 1,
      queued_at: now,
      started_at: null,
      completed_at: null,
      error_code: null,
      error_message: null,
    }));
    // The entity was deleted, or its file was replaced, while the job was created.
    if (!isSaved) await this.#options.write(null, ({ db, now }) => this.#options.feed.eraseJobs(db, [jobId], now));
  }

  /** @returns whether the inference still existed for the same content */
  async #save(row: Pending, values: (now: number) => Promise<Partial<InferenceRow>>): Promise<boolean> {
    return this.#options.write(null, async ({ db, now }) => {
      const { numUpdatedRows } = await db
        .updateTable('inferences')
        .set(await values(now))
        .where('entity_id', '=', row.entity_id)
        .where('task_type', '=', row.task_type)
        .where('subject', '=', row.subject)
        .where('status', '=', 'pending')
        .where(({ exists, selectFrom }) =>
          exists(
            selectFrom('insights')
              .select('insights.entity_id')
              .where('insights.entity_id', '=', row.entity_id)
              .where('insights.sha256', '=', row.sha256),
          ),
        )
        .executeTakeFirst();
      await refreshKnown(db, row.entity_id, now);
      return numUpdatedRows > 0n;
    });
  }
}

function failure(error: unknown, tries: number, now: number): Partial<InferenceRow> {
  const known = error instanceof HttpError || (error as Error).name === 'MediaError';
  const code = (error as { code?: string }).code ?? 'task_failed';
  const delay = retryDelay(code, tries);
  return {
    status: 'failed',
    tries: tries + 1,
    error_code: code,
    error_message: known ? messageOf(error) : 'the job could not be made; the log of the insight worker says why',
    not_before: delay === null ? Number.MAX_SAFE_INTEGER : now + delay,
    completed_at: now,
  };
}
