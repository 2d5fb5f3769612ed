/**
 * Moves inferences between `pending` and `waiting` as models come and go, and those whose program is missing to `failed`:
 * no job is made that nobody can run.
 */
import type { Kysely, Transaction } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import { refreshKnown } from './refresh-status.js';
import type { Runnable } from './runnable.js';
import { literal } from './status.js';

/** Rows changed in one transaction. */
const AT_ONCE = 200;

type Db = Kysely<StoreTables> | Transaction<StoreTables>;
type Move = {
  readonly from: 'pending' | 'waiting' | 'failed';
  readonly tasks: readonly string[];
  readonly codes?: readonly string[];
};

/** Codes of failures that were for want of a model. */
const WITHOUT_MODEL = ['model_missing', 'model_unusable'];

function rowsOf(db: Db, { from, tasks, codes }: Move) {
  let query = db
    .selectFrom('inferences')
    .select(['entity_id', 'task_type', 'subject'])
    .where('status', '=', literal(from))
    .where('task_type', 'in', [...tasks])
    .limit(AT_ONCE);
  // What waits for no time has failed for good; left out by the index, however many there are.
  if (codes) query = query.where('not_before', '<', Number.MAX_SAFE_INTEGER).where('error_code', 'in', [...codes]);
  return query;
}

async function move(
  db: Kysely<StoreTables>,
  write: RunWrite,
  which: Move,
  values: (task: string, now: number) => object,
): Promise<number[]> {
  if (which.tasks.length === 0) return [];
  // Most turns find none; those take no write lock.
  if (!(await rowsOf(db, which).executeTakeFirst())) return [];
  return write(null, async ({ db: trx, now }) => {
    const rows = await rowsOf(trx, which).execute();
    for (const row of rows)
      await trx
        .updateTable('inferences')
        .set(values(row.task_type, now))
        .where('entity_id', '=', row.entity_id)
        .where('task_type', '=', row.task_type)
        .where('subject', '=', row.subject)
        .execute();
    const entities = [...new Set(rows.map(({ entity_id }) => entity_id))];
    for (const id of entities) await refreshKnown(trx, id, now);
    return entities;
  });
}

/** One slice of each move. @returns entities whose inferences changed */
export async function park(
  db: Kysely<StoreTables>,
  write: RunWrite,
  { able, withoutModel, withoutTool }: Runnable,
): Promise<number[]> {
  const waiting = { status: 'waiting', error_code: null, error_message: null };
  const lacking = [...withoutModel];
  return [
    ...(await move(db, write, { from: 'pending', tasks: lacking }, () => waiting)),
    ...(await move(db, write, { from: 'failed', tasks: lacking, codes: WITHOUT_MODEL }, () => waiting)),
    ...(await move(db, write, { from: 'waiting', tasks: [...able] }, (_task, now) => ({
      status: 'pending',
      not_before: now,
      tries: 0,
    }))),
    ...(await move(db, write, { from: 'pending', tasks: [...withoutTool.keys()] }, (task, now) => ({
      status: 'failed',
      error_code: 'tool_missing',
      error_message: withoutTool.get(task) ?? 'a program is missing',
      completed_at: now,
      not_before: now + TOOL_RETRY_MS,
    }))),
  ];
}

/** Long, since it is tried again at once when a worker has the program. */
const TOOL_RETRY_MS = 10 * 60_000;
