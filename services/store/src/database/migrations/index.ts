import { insight0002, insight0004, insight0006, insight0008 } from '@cl-server/insight';
import type { MigrationSet } from '@cl-server/service-kit';
import { store0001 } from './0001-store.js';
import { store0003 } from './0003-reading.js';
import { store0005 } from './0005-erasures.js';
import { store0007 } from './0007-search.js';

/** The schema of the store with the tables of insight. Released migrations and their order never change. */
export const storeMigrations: MigrationSet = {
  table: 'migrations_store',
  command: 'store migrate',
  migrations: [store0001, insight0002, store0003, insight0004, store0005, insight0006, store0007, insight0008],
};
