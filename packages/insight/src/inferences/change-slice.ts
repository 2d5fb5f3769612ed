import type { InferenceRow } from '../database/tables.js';
import type { InsightDatabase, InsightTransaction, RunWrite } from '../port.js';
import { refreshKnown } from './refresh-status.js';

export type Db = InsightDatabase | InsightTransaction;
export type InferenceKey = Pick<InferenceRow, 'entity_id' | 'task_type' | 'subject'>;

/** A query of inferences. It must have a limit, because all rows that it finds are changed in one transaction. */
export type FindSlice = (db: Db) => {
  execute(): Promise<InferenceKey[]>;
  executeTakeFirst(): Promise<InferenceKey | undefined>;
};

/** Changes the inferences that the query finds, and the states of their entities. @returns these entities */
export async function changeSlice(
  db: InsightDatabase,
  write: RunWrite,
  find: FindSlice,
  values: (insight: string, now: number) => Partial<InferenceRow>,
): Promise<number[]> {
  // Most turns find none. They must not take the write lock.
  if (!(await find(db).executeTakeFirst())) return [];
  return write(null, async ({ db: trx, now }) => {
    const rows = await find(trx).execute();
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
