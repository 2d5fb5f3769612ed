/** Insertion on PostgreSQL: one statement for the whole batch; a transaction around it only where a limit is to hold. */
import type pg from 'pg';
import type { JobRow } from '../tables.js';
import type { InsertItem, InsertOutcome, InsertRow } from './hot-paths.js';

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

const insertSql = (announces: boolean): string => `
  with inserted as (
    insert into jobs (${NAMES}, updated_at)
    select ${NAMES}, created_at
    from unnest(${COLUMNS.map(([, type], index) => `$${index + 1}::${type}[]`).join(', ')})
      with ordinality as given (${NAMES}, position) order by position
    on conflict ((coalesce(created_by, '')), idempotency_key) where idempotency_key is not null do nothing
    returning job_id, status, created_at
  )${
    announces
      ? `, announced as (
    insert into job_outbox (job_id, event, progress, created_at)
    select job_id, status, 0, created_at from inserted returning seq as outbox_seq, job_id
  )
  select job_id, outbox_seq from announced`
      : ' select job_id, null as outbox_seq from inserted'
  }`;

type Queryable = Pick<pg.ClientBase, 'query'>;
type Outcomes = Map<InsertItem, InsertOutcome>;

async function insertRows(db: Queryable, items: readonly InsertItem[], announces: boolean): Promise<Outcomes> {
  const { rows } = await db.query<{ job_id: string; outbox_seq: number | null }>({
    name: announces ? 'jobs_insert_announced' : 'jobs_insert_silent',
    text: insertSql(announces),
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

/** What a creator keeps. Writing the row locks it against every other service until the commit. */
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

async function insertLimited(pool: pg.Pool, items: readonly InsertItem[], announces: boolean): Promise<Outcomes> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const outcomes: Outcomes = new Map();
    const allowed = await withinLimits(client, items, outcomes);
    if (allowed.length > 0)
      for (const [item, outcome] of await insertRows(client, allowed, announces)) outcomes.set(item, outcome);
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

export async function insertBatch(
  pool: pg.Pool,
  items: readonly InsertItem[],
  announces: boolean,
): Promise<readonly InsertOutcome[]> {
  const outcomes = items.some((item) => isLimited(item) || isBudgeted(item))
    ? await insertLimited(pool, items, announces)
    : await insertRows(pool, items, announces);
  return items.map((item) => {
    const outcome = outcomes.get(item);
    // Possible only if the job that held the key was deleted between the two statements.
    if (!outcome) throw new Error(`job ${item.row.job_id} was neither inserted nor found`);
    return outcome;
  });
}
