/** Lists of jobs, newest first, by any mix of filters, without ever holding the event loop for long. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { cursorCodec } from '@cl-server/kit';
import { type Database, positionOf } from '@cl-server/service-kit';
import { type Expression, type ExpressionBuilder, type SqlBool, sql } from 'kysely';
import { recordOf } from '../record.js';
import type { JobRow, JobTables } from '../tables.js';
import type { JobPage, ListFilter } from '../types.js';

/** Rows that one synchronous SQLite query looks at: some milliseconds. */
const WINDOW = 5_000;
const MAX_TOTAL = 10_000;
/** Counting further than this many milliseconds is not worth anyone's wait. */
const COUNT_TIME = 500;
const DEFAULT_LIMIT = 50;

const cursors = cursorCodec('j');

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

export class JobLists {
  readonly #database: Database<JobTables>;

  constructor(database: Database<JobTables>) {
    this.#database = database;
  }

  /** Downwards windows of `seq` that cover (0, top]. One for PostgreSQL, whose queries do not hold the event loop. */
  async *#windows(top?: number): AsyncGenerator<readonly [from: number, to: number]> {
    let to = top ?? (await this.#highest());
    const step = this.#database.adapter.blocksEventLoop ? WINDOW : Number.MAX_SAFE_INTEGER;
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
    const top = filter.cursor === undefined ? undefined : positionOf(cursors, filter.cursor) - 1;
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
    const end = performance.now() + COUNT_TIME;
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
}
