/** Gives failed inferences another try: when their time has come, when a worker can do the task again, when asked. */
import { LACKS } from '@cl-server/contract';
import type { Kysely, Transaction } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import { refreshKnown } from './refresh-status.js';
import { literal } from './status.js';

export interface ReviveFilter {
  /** Failed ones whose waiting time ended before this moment. */
  readonly dueBefore?: number;
  /** Failed ones of these tasks whose model or tool was missing. */
  readonly nowPossible?: readonly string[];
  /** All failed ones of an entity; their tries count anew. */
  readonly entityId?: number;
}

/** Rows changed in one transaction. */
const AT_ONCE = 200;

function failed(db: Kysely<StoreTables> | Transaction<StoreTables>, filter: ReviveFilter) {
  let query = db
    .selectFrom('inferences')
    .select(['entity_id', 'task_type', 'subject'])
    .where('status', '=', literal('failed'))
    .limit(AT_ONCE);
  if (filter.dueBefore !== undefined) query = query.where('not_before', '<=', filter.dueBefore);
  if (filter.nowPossible)
    query = query
      .where('task_type', 'in', [...filter.nowPossible])
      // What waits for no time has failed for good; left out by the index, however many there are.
      .where('not_before', '<', Number.MAX_SAFE_INTEGER)
      .where('error_code', 'in', LACKS);
  if (filter.entityId !== undefined) query = query.where('entity_id', '=', filter.entityId);
  return query;
}

/** @returns entities that are to be worked on again */
export async function revive(db: Kysely<StoreTables>, write: RunWrite, filter: ReviveFilter): Promise<number[]> {
  if (filter.nowPossible?.length === 0) return [];
  // Most turns find none; those take no write lock.
  if (!(await failed(db, filter).executeTakeFirst())) return [];
  return write(null, async ({ db: trx, now }) => {
    const rows = await failed(trx, filter).execute();
    for (const row of rows)
      await trx
        .updateTable('inferences')
        .set({ status: 'pending', not_before: now, ...(filter.entityId !== undefined && { tries: 0 }) })
        .where('entity_id', '=', row.entity_id)
        .where('task_type', '=', row.task_type)
        .where('subject', '=', row.subject)
        .execute();
    const entities = [...new Set(rows.map(({ entity_id }) => entity_id))];
    for (const id of entities) await refreshKnown(trx, id, now);
    return entities;
  });
}
