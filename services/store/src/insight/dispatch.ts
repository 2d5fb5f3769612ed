/**
 * Turns pending inferences into jobs, at most so many at once: an import of a million photos must not fill the queue that
 * a user's own jobs wait in. The jobs have a low priority as well.
 */

import { createHash } from 'node:crypto';
import type { CreationRequest, JobCreation } from '@cl-server/job-routes';
import { messageOf } from '@cl-server/kit';
import { HttpError, type Logger } from '@cl-server/service-kit';
import { type AnyTask, parseParams } from '@cl-server/task-kit';
import { type Kysely, sql } from 'kysely';
import type { InferenceRow } from '../database/insight-tables.js';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import { noteErasures } from '../erase/note.js';
import { PREVIEW } from '../files/preview-file.js';
import type { InferenceInput, InputSource } from './inputs.js';
import { refreshKnown } from './refresh-status.js';
import { literal, retryDelay } from './status.js';

/** Owner of the jobs: no user, so that nobody finds them among his own. */
export const INSIGHT_OWNER = 'm-insight';
/** Below the default of users' jobs. */
const PRIORITY = 3;

export interface DispatchOptions {
  readonly db: Kysely<StoreTables>;
  readonly write: RunWrite;
  readonly creation: Pick<JobCreation, 'create'>;
  readonly task: (type: string) => AnyTask | undefined;
  readonly inputs: InputSource;
  readonly logger: Logger;
  /** Jobs that may wait or run at once. */
  readonly maxRunning: number;
}

type Pending = Pick<InferenceRow, 'entity_id' | 'task_type' | 'subject' | 'model' | 'tries' | 'job_id'> & {
  readonly sha256: string;
  readonly entity_version: number;
};

async function pendingRows(
  db: Kysely<StoreTables>,
  { now, tasks, limit }: { readonly now: number; readonly tasks: readonly string[]; readonly limit: number },
): Promise<Pending[]> {
  return (
    db
      .selectFrom('inferences')
      .innerJoin('entities', 'entities.id', 'inferences.entity_id')
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
      .where('inferences.task_type', 'in', [...tasks])
      // The plus keeps SQLite from beginning with all entities that are not deleted.
      .where(sql<number>`+entities.is_deleted`, '=', 0)
      // Another content is being made known: this one's inferences are about to go.
      .whereRef('entities.sha256', '=', 'insights.sha256')
      .orderBy('inferences.not_before')
      .orderBy('inferences.entity_id')
      .limit(limit)
      .execute()
  );
}

async function runningCount(db: Kysely<StoreTables>): Promise<number> {
  const row = await db
    .selectFrom('inferences')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('status', '=', literal('processing'))
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/**
 * An inference tried again is another job, because the job before it is part of the key; asked twice for one try (a
 * process died in between), it is the same job.
 */
const idempotencyKey = ({ tries: _, ...row }: Pending): string =>
  createHash('sha256').update(JSON.stringify(row)).digest('hex');

/** Fields of tasks that are not left at their defaults. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  media_thumbnail: {
    width: PREVIEW.width,
    maintain_aspect_ratio: PREVIEW.keepAspect,
    format: PREVIEW.format,
    quality: PREVIEW.quality,
    background: PREVIEW.background,
  },
};

function requestOf(row: Pending, task: AnyTask, input: InferenceInput): CreationRequest {
  const params = parseParams(task, FIELDS[row.task_type] ?? {});
  if (!params.success) throw new HttpError(422, `task ${row.task_type} of this server takes other parameters`);
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
   * Queues what there is room for.
   * @param able tasks that a live worker can run; for the others no job is made
   * @returns entities whose inferences changed
   */
  async dispatch(now: number, able: ReadonlySet<string>): Promise<number[]> {
    const { db, maxRunning } = this.#options;
    if (able.size === 0) return [];
    const room = maxRunning - (await runningCount(db));
    if (room <= 0) return [];
    const rows = await pendingRows(db, { now, tasks: [...able], limit: room });
    for (const row of rows) await this.#queue(row);
    return [...new Set(rows.map(({ entity_id }) => entity_id))];
  }

  async #queue(row: Pending): Promise<void> {
    const { task: taskOf, inputs, creation, logger } = this.#options;
    let jobId: string;
    try {
      const task = taskOf(row.task_type);
      if (!task) throw new HttpError(404, `no task ${row.task_type} is installed`, { code: 'tool_missing' });
      ({ job_id: jobId } = await creation.create(requestOf(row, task, await inputs.of(row))));
    } catch (error) {
      logger.warn({ err: error, entity: row.entity_id, task: row.task_type }, 'an inference could not be queued');
      await this.#settle(row, async (now) => failure(error, row.tries, now));
      return;
    }
    const isNoted = await this.#settle(row, async (now) => ({
      status: 'processing',
      job_id: jobId,
      tries: row.tries + 1,
      queued_at: now,
      started_at: null,
      completed_at: null,
      error_code: null,
      error_message: null,
    }));
    // The entity was deleted, or given another file, while its job was made.
    if (!isNoted) await this.#options.write(null, ({ db, now }) => noteErasures(db, 'job', [jobId], now));
  }

  /** @returns whether the inference was still there and about the same content */
  async #settle(row: Pending, values: (now: number) => Promise<Partial<InferenceRow>>): Promise<boolean> {
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
