/** Retries failed inferences: when their waiting time has ended, when a worker can run the task again, or on request. */

import { LACKS } from '@cl-server/contract';
import { changeSlice, type Db } from '../inferences/change-slice.js';
import { literal } from '../inferences/status.js';
import type { InsightDatabase, RunWrite } from '../port.js';

export interface RetryFilter {
  /** Inferences whose waiting time ended before this moment. */
  readonly dueBefore?: number;
  /** Inferences of these insights whose model or tool was missing. */
  readonly nowPossible?: readonly string[];
  /** All inferences of an entity; their tries are counted from zero again. */
  readonly entityId?: number;
}

/** Rows changed in one transaction. */
const BATCH_SIZE = 200;

function failed(db: Db, filter: RetryFilter) {
  let query = db
    .selectFrom('inferences')
    .select(['entity_id', 'task_type', 'subject'])
    .where('status', '=', literal('failed'))
    .limit(BATCH_SIZE);
  if (filter.dueBefore !== undefined) query = query.where('not_before', '<=', filter.dueBefore);
  if (filter.nowPossible)
    query = query
      .where('task_type', 'in', [...filter.nowPossible])
      // A row without a next try has failed for good; the index leaves these out, however many there are.
      .where('not_before', '<', Number.MAX_SAFE_INTEGER)
      .where('error_code', 'in', LACKS);
  if (filter.entityId !== undefined) query = query.where('entity_id', '=', filter.entityId);
  return query;
}

/** @returns entities whose inferences are pending again */
export async function retryFailed(db: InsightDatabase, write: RunWrite, filter: RetryFilter): Promise<number[]> {
  if (filter.nowPossible?.length === 0) return [];
  return changeSlice(
    db,
    write,
    (on) => failed(on, filter),
    (_task, now) => ({ status: 'pending', not_before: now, ...(filter.entityId !== undefined && { tries: 0 }) }),
  );
}
