/** Gives failed inferences another try: when their time has come, when a worker can do the task again, when asked. */
import { LACKS } from '@cl-server/contract';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import { changeSlice, type Db } from './change-slice.js';
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

function failed(db: Db, filter: ReviveFilter) {
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
  return changeSlice(
    db,
    write,
    (on) => failed(on, filter),
    (_task, now) => ({ status: 'pending', not_before: now, ...(filter.entityId !== undefined && { tries: 0 }) }),
  );
}
