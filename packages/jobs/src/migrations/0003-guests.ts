import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

/** Guests share one limit of waiting jobs; without an index each of their jobs would be counted through the whole queue. */
export const jobs0003: Migration = {
  name: '0003_guests',
  up: async (db) => {
    await sql`create index jobs_waiting_of_nobody on jobs (seq) where status = 'queued' and created_by is null`.execute(
      db,
    );
  },
};
