import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

/** Inferences that wait for a model: with none installed there is one of them for each photo and task. */
export const insight0004: Migration = {
  name: '0004_waiting',
  up: async (db) => {
    await sql`create index inferences_waiting on inferences (task_type, entity_id) where status = 'waiting'`.execute(
      db,
    );
  },
};
