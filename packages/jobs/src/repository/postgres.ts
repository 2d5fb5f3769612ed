/**
 * Hot paths on PostgreSQL: one statement and one round trip for each batch. Rows are taken with `for update skip locked`;
 * sub-selects as arrays keep the planner from joining against the whole table while it has no statistics.
 */
import type { PostgresDatabase } from '@cl-server/service-kit';
import type pg from 'pg';
import { MAX_RUNNING_PROGRESS } from '../machine.js';
import type { JobRow, JobTables } from '../tables.js';
import type { Fence } from '../types.js';
import {
  type ClaimArguments,
  type ClaimedRow,
  type CompletedRow,
  type CompleteItem,
  fenceKey,
  type HotPaths,
  type InsertItem,
  type InsertOutcome,
  type ProgressItem,
} from './hot-paths.js';
import { insertBatch } from './postgres-insert.js';
import { retryDeadlocks } from './postgres-retry.js';

const QUEUE = `status = 'queued' and run_after is null`;
const ORDER = 'priority desc, created_at, seq';

const TAKE_ONE_TYPE = `select seq from jobs where ${QUEUE} and task_type = $1 and priority >= $7 order by ${ORDER}
  limit $2 for update skip locked`;

/**
 * Each type's first entries by its own index range, so that types nobody asked for are never read; then, in order, as
 * many as may be taken are locked and no more: a second claim at the same moment finds the others. Some more than wanted
 * are looked at, for the first ones may be in the hands of such a claim (not of a type with fewer slots: its limit
 * counts).
 */
const TAKE_TYPES = `select seq from jobs where ${QUEUE} and seq = any (array(
    select first.seq from unnest($1::text[], $2::int[]) as wanted (task_type, slots)
    cross join lateral (
      select seq from jobs where ${QUEUE} and task_type = wanted.task_type and priority >= $8
      order by ${ORDER} limit case when wanted.slots < $7 then wanted.slots else $7 + 16 end
    ) first
  )) order by ${ORDER} limit $7 for update skip locked`;

/** How many of each type wait, counted no further than need be. */
const WAITING = `
  select wanted.task_type as type, (
    select count(*) from (
      select from jobs where ${QUEUE} and task_type = wanted.task_type and priority >= $3 limit wanted.most
    ) as first
  )::int as waiting from unnest($1::text[], $2::int[]) as wanted (task_type, most)`;

const claimSql = (take: string, announces: boolean): string => `
  with taken as materialized (${take}),
  claimed as (
    update jobs set status = 'processing', attempt = attempt + 1, token = (attempt + 1) || '.' || $3, worker_id = $4,
      lease_until = $5, started_at = $6, updated_at = $6
    where seq = any (array(select seq from taken)) returning *
  )${
    announces
      ? `, announced as (
    insert into job_outbox (job_id, event, progress, created_at)
    select job_id, 'processing', progress, $6 from claimed order by ${ORDER} returning seq as outbox_seq, job_id
  )
  select claimed.*, outbox_seq from claimed join announced using (job_id) order by ${ORDER}`
      : ` select *, null as outbox_seq from claimed order by ${ORDER}`
  }`;

const HELD = `jobs.job_id = report.job_id and jobs.status = 'processing' and jobs.token = report.token
  and jobs.job_id = any ($1)`;

const completeSql = (announces: boolean): string => `
  with done as (
    update jobs set status = 'completed', progress = 100, output = report.output, error_code = null,
      error_message = null, committed_attempt = attempt, completed_at = $4, updated_at = $4, shown = $5, result_bytes = report.result_bytes,
      token = null, worker_id = null, lease_until = null, cancel_requested = 0
    from unnest($1::text[], $2::text[], $3::text[], $6::bigint[]) as report (job_id, token, output, result_bytes) where ${HELD}
    returning jobs.job_id, report.token, task_type, created_at, started_at
  )${
    announces
      ? `, announced as (
    insert into job_outbox (job_id, event, progress, created_at)
    select job_id, 'completed', 100, $4 from done returning seq as outbox_seq, job_id
  )
  select done.*, outbox_seq from done join announced using (job_id)`
      : ' select *, null as outbox_seq from done'
  }`;

const PROGRESS = `update jobs set progress = greatest(progress, least(${MAX_RUNNING_PROGRESS}, report.percent)),
    updated_at = $4
  from unnest($1::text[], $2::text[], $3::int[]) as report (job_id, token, percent) where ${HELD}
  returning jobs.job_id, report.token, progress`;

const RENEW = `update jobs set lease_until = $3
  from unnest($1::text[], $2::text[]) as report (job_id, token) where ${HELD}
  returning jobs.job_id, report.token, cancel_requested`;

type Announced = { readonly outbox_seq: number | null };

export class PostgresHotPaths implements HotPaths {
  readonly #pool: pg.Pool;
  readonly #announces: boolean;
  readonly #name: string;

  /** @param announces whether status changes go to the outbox */
  constructor(database: PostgresDatabase<JobTables>, announces: boolean) {
    this.#pool = database.pool;
    this.#announces = announces;
    this.#name = announces ? 'announced' : 'silent';
  }

  async #query<R extends pg.QueryResultRow>(name: string, text: string, values: unknown[]): Promise<R[]> {
    const result = await retryDeadlocks(() =>
      this.#pool.query<R>({ name: `jobs_${name}_${this.#name}`, text, values }),
    );
    return result.rows;
  }

  insert(items: readonly InsertItem[]): Promise<readonly InsertOutcome[]> {
    return retryDeadlocks(() => insertBatch(this.#pool, items, this.#announces));
  }

  async claim(request: ClaimArguments): Promise<readonly ClaimedRow[]> {
    const { limit, minPriority, now, leaseUntil, workerId, random } = request;
    const types = request.share === 1 ? request.types : await this.#parts(request);
    if (types.length === 0) return [];
    const [only] = types;
    const common = [random, workerId, leaseUntil, now];
    const rows =
      types.length === 1 && only
        ? await this.#query<JobRow & Announced>('claim_one', claimSql(TAKE_ONE_TYPE, this.#announces), [
            only.type,
            Math.min(only.slots, limit),
            ...common,
            minPriority,
          ])
        : await this.#query<JobRow & Announced>('claim', claimSql(TAKE_TYPES, this.#announces), [
            types.map(({ type }) => type),
            types.map(({ slots }) => Math.min(slots, limit)),
            ...common,
            limit,
            minPriority,
          ]);
    return rows.map(({ outbox_seq, ...row }) => ({ row, outboxSeq: outbox_seq }));
  }

  /** What may be taken of each type, where that is no more than a share of its queue. */
  async #parts({ types, limit, minPriority, share }: ClaimArguments): Promise<ClaimArguments['types']> {
    const counted = await this.#query<{ type: string; waiting: number }>('waiting', WAITING, [
      types.map(({ type }) => type),
      types.map(({ slots }) => Math.min(slots, limit) * share),
      minPriority,
    ]);
    return counted
      .map(({ type, waiting }) => ({ type, slots: Math.floor(waiting / share) }))
      .filter(({ slots }) => slots > 0);
  }

  async complete(
    items: readonly CompleteItem[],
    now: number,
    shown: 0 | 1,
  ): Promise<ReadonlyMap<string, CompletedRow>> {
    const rows = await this.#query<Omit<CompletedRow, 'outboxSeq'> & Fence & Announced>(
      'complete',
      completeSql(this.#announces),
      [
        items.map(({ job_id }) => job_id),
        items.map(({ token }) => token),
        items.map(({ output }) => output),
        now,
        shown,
        items.map(({ result_bytes }) => result_bytes),
      ],
    );
    return new Map(rows.map(({ outbox_seq, ...row }) => [fenceKey(row), { ...row, outboxSeq: outbox_seq }]));
  }

  async progress(items: readonly ProgressItem[], now: number): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#query<Fence & { progress: number }>('progress', PROGRESS, [
      items.map(({ job_id }) => job_id),
      items.map(({ token }) => token),
      items.map(({ percent }) => percent),
      now,
    ]);
    return new Map(rows.map((row) => [fenceKey(row), row.progress]));
  }

  async renew(items: readonly Fence[], leaseUntil: number): Promise<ReadonlyMap<string, boolean>> {
    const rows = await this.#query<Fence & { cancel_requested: number }>('renew', RENEW, [
      items.map(({ job_id }) => job_id),
      items.map(({ token }) => token),
      leaseUntil,
    ]);
    return new Map(rows.map((row) => [fenceKey(row), row.cancel_requested === 1]));
  }
}
