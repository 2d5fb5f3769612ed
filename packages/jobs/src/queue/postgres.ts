/**
 * The queue on PostgreSQL: one statement and one round trip for each batch. Rows are taken with `for update skip locked`;
 * sub-selects as arrays keep the planner from joining against the whole table while it has no statistics.
 */
import { errorCode } from '@cl-server/kit';
import type { PostgresDatabase } from '@cl-server/service-kit';
import type pg from 'pg';
import type { Fence } from '../job.js';
import { MAX_RUNNING_PROGRESS } from '../machine.js';
import type { JobRow, JobTables } from '../tables.js';
import {
  type ClaimArguments,
  type ClaimedRow,
  type CompletedRow,
  type CompleteItem,
  fenceKey,
  type InsertItem,
  type InsertOutcome,
  type InsertRow,
  type JobDialect,
  type ProgressItem,
} from './dialect.js';

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

const claimSql = (take: string, writesOutbox: boolean): string => `
  with taken as materialized (${take}),
  claimed as (
    update jobs set status = 'processing', attempt = attempt + 1, token = (attempt + 1) || '.' || $3, worker_id = $4,
      lease_until = $5, started_at = $6, updated_at = $6
    where seq = any (array(select seq from taken)) returning *
  )${
    writesOutbox
      ? `, announced as (
    insert into job_outbox (job_id, event, progress, created_at)
    select job_id, 'processing', progress, $6 from claimed order by ${ORDER} returning seq as outbox_seq, job_id
  )
  select claimed.*, outbox_seq from claimed join announced using (job_id) order by ${ORDER}`
      : ` select *, null as outbox_seq from claimed order by ${ORDER}`
  }`;

const HELD = `jobs.job_id = report.job_id and jobs.status = 'processing' and jobs.token = report.token
  and jobs.job_id = any ($1)`;

const completeSql = (writesOutbox: boolean): string => `
  with done as (
    update jobs set status = 'completed', progress = 100, output = report.output, error_code = null,
      error_message = null, committed_attempt = attempt, completed_at = $4, updated_at = $4, shown = $5, result_bytes = report.result_bytes,
      token = null, worker_id = null, lease_until = null, cancel_requested = 0
    from unnest($1::text[], $2::text[], $3::text[], $6::bigint[]) as report (job_id, token, output, result_bytes) where ${HELD}
    returning jobs.job_id, report.token, task_type, created_at, started_at
  )${
    writesOutbox
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

export class PostgresJobs implements JobDialect {
  readonly #pool: pg.Pool;
  readonly #writesOutbox: boolean;
  readonly #name: string;

  /** @param writesOutbox whether status changes go to the outbox */
  constructor(database: PostgresDatabase<JobTables>, writesOutbox: boolean) {
    this.#pool = database.pool;
    this.#writesOutbox = writesOutbox;
    this.#name = writesOutbox ? 'announced' : 'silent';
  }

  async #query<R extends pg.QueryResultRow>(name: string, text: string, values: unknown[]): Promise<R[]> {
    const result = await retryDeadlocks(() =>
      this.#pool.query<R>({ name: `jobs_${name}_${this.#name}`, text, values }),
    );
    return result.rows;
  }

  insert(items: readonly InsertItem[]): Promise<readonly InsertOutcome[]> {
    return retryDeadlocks(() => insertBatch(this.#pool, items, this.#writesOutbox));
  }

  async claim(request: ClaimArguments): Promise<readonly ClaimedRow[]> {
    const { limit, minPriority, now, leaseUntil, workerId, random } = request;
    const types = request.share === 1 ? request.types : await this.#parts(request);
    if (types.length === 0) return [];
    const [only] = types;
    const common = [random, workerId, leaseUntil, now];
    const rows =
      types.length === 1 && only
        ? await this.#query<JobRow & Announced>('claim_one', claimSql(TAKE_ONE_TYPE, this.#writesOutbox), [
            only.type,
            Math.min(only.slots, limit),
            ...common,
            minPriority,
          ])
        : await this.#query<JobRow & Announced>('claim', claimSql(TAKE_TYPES, this.#writesOutbox), [
            types.map(({ type }) => type),
            types.map(({ slots }) => Math.min(slots, limit)),
            ...common,
            limit,
            minPriority,
          ]);
    return rows.map(({ outbox_seq, ...row }) => ({ row, outboxSeq: outbox_seq }));
  }

  /** The number of jobs of each type that may be claimed, if only a share of its queue may. */
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
      completeSql(this.#writesOutbox),
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

const DEADLOCK = '40P01';
const MAX_TRIES = 5;

/**
 * Two batches that touch the same jobs in another order (a renewal beside a completion) may lock each other out.
 * PostgreSQL then rolls one of them back, and it is tried again.
 */
export async function retryDeadlocks<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (errorCode(error) !== DEADLOCK || attempt === MAX_TRIES) throw error;
    }
  }
}

/* Insertion: one statement for the whole batch; a transaction around it only if a limit applies. */

const COLUMNS: readonly (readonly [keyof InsertRow, 'text' | 'int' | 'bigint'])[] = [
  ['job_id', 'text'],
  ['task_type', 'text'],
  ['status', 'text'],
  ['priority', 'int'],
  ['params', 'text'],
  ['error_code', 'text'],
  ['error_message', 'text'],
  ['created_at', 'bigint'],
  ['completed_at', 'bigint'],
  ['created_by', 'text'],
  ['max_retries', 'int'],
  ['timeout_ms', 'bigint'],
  ['idempotency_key', 'text'],
  ['fingerprint', 'text'],
  ['input_sha256', 'text'],
  ['shown', 'int'],
  ['input_bytes', 'bigint'],
];
const NAMES = COLUMNS.map(([name]) => name).join(', ');

const insertSql = (writesOutbox: boolean): string => `
  with inserted as (
    insert into jobs (${NAMES}, updated_at)
    select ${NAMES}, created_at
    from unnest(${COLUMNS.map(([, type], index) => `$${index + 1}::${type}[]`).join(', ')})
      with ordinality as given (${NAMES}, position) order by position
    on conflict ((coalesce(created_by, '')), idempotency_key) where idempotency_key is not null do nothing
    returning job_id, status, created_at
  )${
    writesOutbox
      ? `, announced as (
    insert into job_outbox (job_id, event, progress, created_at)
    select job_id, status, 0, created_at from inserted returning seq as outbox_seq, job_id
  )
  select job_id, outbox_seq from announced`
      : ' select job_id, null as outbox_seq from inserted'
  }`;

type Queryable = Pick<pg.ClientBase, 'query'>;
type Outcomes = Map<InsertItem, InsertOutcome>;

async function insertRows(db: Queryable, items: readonly InsertItem[], writesOutbox: boolean): Promise<Outcomes> {
  const { rows } = await db.query<{ job_id: string; outbox_seq: number | null }>({
    name: writesOutbox ? 'jobs_insert_announced' : 'jobs_insert_silent',
    text: insertSql(writesOutbox),
    values: COLUMNS.map(([name]) => items.map(({ row }) => row[name])),
  });
  const created = new Map(rows.map((row) => [row.job_id, row.outbox_seq]));
  const outcomes: Outcomes = new Map();
  const rest: InsertItem[] = [];
  for (const item of items) {
    const outboxSeq = created.get(item.row.job_id);
    if (outboxSeq === undefined) rest.push(item);
    else outcomes.set(item, { outcome: 'created', outboxSeq });
  }
  for (const [item, outcome] of await existing(db, rest)) outcomes.set(item, outcome);
  return outcomes;
}

/** The jobs that hold these items' idempotency keys. */
async function existing(db: Queryable, items: readonly InsertItem[]): Promise<Outcomes> {
  const outcomes: Outcomes = new Map();
  for (const item of items) {
    if (item.row.idempotency_key === null) continue;
    const { rows } = await db.query<JobRow>(
      `select * from jobs where coalesce(created_by, '') = $1 and idempotency_key = $2`,
      [item.row.created_by ?? '', item.row.idempotency_key],
    );
    if (rows[0]) outcomes.set(item, { outcome: 'existing', row: rows[0] });
  }
  return outcomes;
}

/** Stands for the guests, who share one limit. */
const NOBODY = '';

const isLimited = ({ row, maxQueued }: InsertItem): boolean => maxQueued !== undefined && row.status === 'queued';
const isBudgeted = ({ row, maxBytes }: InsertItem): boolean => maxBytes !== undefined && (row.input_bytes ?? 0) > 0;

/** The storage that a creator uses. Writing the row locks it against every other service until the commit. */
async function usedBy(db: Queryable, creator: string, now: number): Promise<number> {
  const { rows } = await db.query<{ used: number }>(
    `insert into job_usage (user_id) values ($1) on conflict (user_id) do update set user_id = excluded.user_id
     returning input_bytes + result_bytes + entity_bytes as used`,
    [creator],
  );
  const claims = await db.query<{ bytes: number }>(
    `select coalesce(sum(bytes), 0)::bigint as bytes from usage_claims where user_id = $1 and expires_at > $2`,
    [creator, now],
  );
  return Number(rows[0]?.used ?? 0) + Number(claims.rows[0]?.bytes ?? 0);
}

/** Drops what is over its creator's limit. The lock lets one process at a time count and insert for a creator. */
async function withinLimits(db: Queryable, items: readonly InsertItem[], outcomes: Outcomes): Promise<InsertItem[]> {
  const queued = new Map<string, number>();
  const used = new Map<string, number>();
  const creators = new Set(items.filter(isLimited).map(({ row }) => row.created_by ?? NOBODY));
  for (const creator of [...creators].sort()) {
    await db.query(`select pg_advisory_xact_lock(hashtext('jobs:' || $1))`, [creator]);
    const { rows } = await db.query<{ queued: number }>(
      creator === NOBODY
        ? `select count(*) as queued from jobs where created_by is null and status = 'queued'`
        : `select count(*) as queued from jobs where created_by = $1 and status = 'queued'`,
      creator === NOBODY ? [] : [creator],
    );
    queued.set(creator, rows[0]?.queued ?? 0);
  }
  const budgeted = items.filter(isBudgeted);
  for (const creator of [...new Set(budgeted.map(({ row }) => row.created_by ?? NOBODY))].sort())
    used.set(creator, await usedBy(db, creator, budgeted[0]?.row.created_at ?? 0));
  for (const [item, outcome] of await existing(db, items)) outcomes.set(item, outcome);
  return items.filter((item) => {
    if (outcomes.has(item)) return false;
    const creator = item.row.created_by ?? NOBODY;
    const count = queued.get(creator);
    if (count !== undefined && isLimited(item) && item.maxQueued !== undefined && count >= item.maxQueued) {
      outcomes.set(item, { outcome: 'limited', queued: count });
      return false;
    }
    const bytes = used.get(creator);
    const more = item.row.input_bytes ?? 0;
    if (bytes !== undefined && isBudgeted(item) && item.maxBytes !== undefined && bytes + more > item.maxBytes) {
      outcomes.set(item, { outcome: 'over_budget', used: bytes, allowed: item.maxBytes });
      return false;
    }
    if (count !== undefined) queued.set(creator, count + 1);
    if (bytes !== undefined) used.set(creator, bytes + more);
    return true;
  });
}

async function insertLimited(pool: pg.Pool, items: readonly InsertItem[], writesOutbox: boolean): Promise<Outcomes> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const outcomes: Outcomes = new Map();
    const allowed = await withinLimits(client, items, outcomes);
    if (allowed.length > 0)
      for (const [item, outcome] of await insertRows(client, allowed, writesOutbox)) outcomes.set(item, outcome);
    await client.query('commit');
    return outcomes;
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

async function insertBatch(
  pool: pg.Pool,
  items: readonly InsertItem[],
  writesOutbox: boolean,
): Promise<readonly InsertOutcome[]> {
  const outcomes = items.some((item) => isLimited(item) || isBudgeted(item))
    ? await insertLimited(pool, items, writesOutbox)
    : await insertRows(pool, items, writesOutbox);
  return items.map((item) => {
    const outcome = outcomes.get(item);
    // Possible only if the job that held the key was deleted between the two statements.
    if (!outcome) throw new Error(`job ${item.row.job_id} was neither inserted nor found`);
    return outcome;
  });
}
