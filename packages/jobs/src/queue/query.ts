/** Reading jobs: by id, in filtered lists, counted. No query holds the event loop for long. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JobStatus, JobStatusFilter } from '@cl-server/contract';
import { cursorCodec } from '@cl-server/kit';
import type { Database } from '@cl-server/service-kit';
import { type Expression, type ExpressionBuilder, type SqlBool, sql } from 'kysely';
import { JobError } from '../errors.js';
import { type JobRecord, recordOf } from '../job.js';
import type { JobRow, JobTables } from '../tables.js';

export interface ListFilter {
  readonly status?: JobStatusFilter | undefined;
  readonly task_type?: string | undefined;
  /** A user's id; null for the jobs of guests. */
  readonly created_by?: string | null | undefined;
  /** From this moment on. */
  readonly created_after?: number | undefined;
  /** Before this moment. */
  readonly created_before?: number | undefined;
  /** In task, id, params or error message; case does not count. */
  readonly q?: string | undefined;
  /** `next_cursor` of the previous page. @throws JobError `bad_cursor` for a text that is none */
  readonly cursor?: string | undefined;
  /** Default 50. */
  readonly limit?: number | undefined;
}

/** Newest first. */
export interface JobPage {
  readonly items: readonly JobRecord[];
  readonly next_cursor: string | null;
  /** Exact up to 10,000 matches; beyond, 10,000 with `total_is_estimate`. */
  readonly total: number;
  readonly total_is_estimate: boolean;
}

export interface QueueStats {
  readonly task_type: string;
  readonly queued: number;
  readonly processing: number;
  /** Age of the oldest queued job in milliseconds; null if none waits. */
  readonly oldest_queued_ms: number | null;
}

export interface Stats {
  readonly by_task: readonly QueueStats[];
  /** Status changes not yet handed to the broker. */
  readonly outbox: number;
}

/** Rows that one synchronous SQLite query reads: some milliseconds. */
const WINDOW_SIZE = 5_000;
const MAX_TOTAL = 10_000;
/** Milliseconds after which counting stops and the total is an estimate. */
const MAX_COUNT_MS = 500;
const DEFAULT_LIMIT = 50;

const cursors = cursorCodec('j');

function positionOf(cursor: string): number {
  const position = cursors.decode(cursor);
  if (position === undefined) throw new JobError('bad_cursor', 'Invalid cursor. Omit it to start from the first page.');
  return position;
}

const likePattern = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`;

function conditions(filter: ListFilter) {
  return (eb: ExpressionBuilder<JobTables, 'jobs'>): Expression<SqlBool> => {
    const all: Expression<SqlBool>[] = [];
    const { status, task_type, created_by, created_after, created_before, q } = filter;
    if (status === 'cancelled') all.push(eb('status', '=', 'failed'), eb('error_code', '=', 'cancelled'));
    else if (status !== undefined) all.push(eb('status', '=', status));
    if (task_type !== undefined) all.push(eb('task_type', '=', task_type));
    if (created_by === null) all.push(eb('created_by', 'is', null));
    else if (created_by !== undefined) all.push(eb('created_by', '=', created_by));
    if (created_after !== undefined) all.push(eb('created_at', '>=', created_after));
    if (created_before !== undefined) all.push(eb('created_at', '<', created_before));
    if (q !== undefined) {
      const pattern = likePattern(q.toLowerCase());
      const has = (column: 'task_type' | 'job_id' | 'params' | 'error_message') =>
        sql<SqlBool>`lower(${eb.ref(column)}) like ${pattern} escape '\\'`;
      all.push(eb.or([has('task_type'), has('job_id'), has('params'), has('error_message')]));
    }
    return eb.and(all);
  };
}

export class JobQueries {
  readonly #database: Database<JobTables>;

  constructor(database: Database<JobTables>) {
    this.#database = database;
  }

  async get(jobIds: readonly string[]): Promise<ReadonlyMap<string, JobRecord>> {
    if (jobIds.length === 0) return new Map();
    const rows = await this.#database.kysely
      .selectFrom('jobs')
      .selectAll()
      .where('job_id', 'in', [...jobIds])
      .execute();
    return new Map(rows.map((row) => [row.job_id, recordOf(row)]));
  }

  /** Downwards windows of `seq` that cover (0, top]. One for PostgreSQL, whose queries do not hold the event loop. */
  async *#windows(top?: number): AsyncGenerator<readonly [from: number, to: number]> {
    let to = top ?? (await this.#highest());
    const step = this.#database.adapter.blocksEventLoop ? WINDOW_SIZE : Number.MAX_SAFE_INTEGER;
    while (to > 0) {
      const from = Math.max(0, to - step);
      yield [from, to];
      to = from;
      if (to > 0) await nextTurn();
    }
  }

  async #highest(): Promise<number> {
    const row = await this.#database.kysely
      .selectFrom('jobs')
      .select((eb) => eb.fn.max('seq').as('seq'))
      .executeTakeFirst();
    return row?.seq ?? 0;
  }

  async list(filter: ListFilter): Promise<JobPage> {
    const limit = filter.limit ?? DEFAULT_LIMIT;
    const top = filter.cursor === undefined ? undefined : positionOf(filter.cursor) - 1;
    const rows: JobRow[] = [];
    for await (const [from, to] of this.#windows(top)) {
      const found = await this.#database.kysely
        .selectFrom('jobs')
        .selectAll()
        .where('seq', '>', from)
        .where('seq', '<=', to)
        .where(conditions(filter))
        .orderBy('seq', 'desc')
        .limit(limit + 1 - rows.length)
        .execute();
      rows.push(...found);
      if (rows.length > limit) break;
    }
    const last = rows.length > limit ? rows[limit - 1] : undefined;
    return {
      items: rows.slice(0, limit).map(recordOf),
      next_cursor: last ? cursors.encode(last.seq) : null,
      ...(await this.#total(filter)),
    };
  }

  async #total(filter: ListFilter): Promise<Pick<JobPage, 'total' | 'total_is_estimate'>> {
    const end = performance.now() + MAX_COUNT_MS;
    let total = 0;
    for await (const [from, to] of this.#windows()) {
      const matches = this.#database.kysely
        .selectFrom('jobs')
        .select('seq')
        .where('seq', '>', from)
        .where('seq', '<=', to)
        .where(conditions(filter))
        .limit(MAX_TOTAL + 1);
      const { count } = await this.#database.kysely
        .selectFrom(matches.as('matches'))
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      total += Number(count);
      if (total > MAX_TOTAL) return { total: MAX_TOTAL, total_is_estimate: true };
      if (performance.now() > end && from > 0) return { total, total_is_estimate: true };
    }
    return { total, total_is_estimate: false };
  }

  /** Number of jobs per status, of everyone or of one creator. */
  async counts(createdBy?: string): Promise<Readonly<Record<JobStatus, number>>> {
    const counts: Record<JobStatus, number> = { queued: 0, processing: 0, completed: 0, failed: 0 };
    let query = this.#database.kysely
      .selectFrom('jobs')
      .select(['status', (eb) => eb.fn.countAll<number>().as('count')])
      .groupBy('status');
    if (createdBy !== undefined) query = query.where('created_by', '=', createdBy);
    for (const { status, count } of await query.execute()) counts[status] = Number(count);
    return counts;
  }

  /** Depth and age of the queue by task; reads live jobs only, by their own small indexes. */
  async stats(now: number): Promise<Stats> {
    const db = this.#database.kysely;
    const live = (status: 'queued' | 'processing') =>
      db
        .selectFrom('jobs')
        .select([
          'task_type',
          (eb) => eb.fn.countAll<number>().as('count'),
          (eb) => eb.fn.min('created_at').as('oldest'),
        ])
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
}
