import type { InsightTransaction } from '../port.js';

/** The jobs of the insights of these entities, queued, running or ended: each has a copy of the file, or had one. */
export async function jobsOf(db: InsightTransaction, entityIds: readonly number[]): Promise<string[]> {
  const rows = await db
    .selectFrom('inferences')
    .select('job_id')
    .where('entity_id', 'in', [...entityIds])
    .where('job_id', 'is not', null)
    .execute();
  return rows.flatMap(({ job_id }) => job_id ?? []);
}
