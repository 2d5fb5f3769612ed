import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

/**
 * Adds the values that distinguish near duplicates from pictures without structure. Pairs that were found by pHash alone
 * are deleted, and pictures are hashed again, so that they are compared by all values.
 */
export const insight0006: Migration = {
  name: '0006_duplicates',
  up: async (db, _dialect, isNew) => {
    for (const [column, type] of [
      ['pdq', 'text'],
      ['pdq_quality', 'integer'],
      ['flat_share', 'double precision'],
      ['layout', 'text'],
    ] as const)
      await db.schema.alterTable('perceptual_hashes').addColumn(column, type).execute();
    if (isNew) return;
    await sql`delete from near_duplicates`.execute(db);
    await sql`update inferences set status = 'pending', tries = 0, not_before = 0, job_id = null
      where task_type = 'hash' and status = 'completed'
      and entity_id in (select id from entities where type = 'image')`.execute(db);
  },
};
