import type { MigrationSet } from '@cl-server/service-kit';
import { jobs0001 } from './0001-jobs.js';
import { jobs0002 } from './0002-workers.js';
import { jobs0003 } from './0003-guests.js';
import { jobs0004 } from './0004-worker-lacks.js';
import { jobs0005 } from './0005-usage.js';
import { jobs0006 } from './0006-worker-idle.js';

/** Schema of the job engine. A released migration is never changed. */
export const jobMigrations: MigrationSet = {
  table: 'migrations_jobs',
  command: 'compute-migrate',
  migrations: [jobs0001, jobs0002, jobs0003, jobs0004, jobs0005, jobs0006],
};
