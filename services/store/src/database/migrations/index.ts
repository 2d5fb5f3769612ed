import type { MigrationSet } from '@cl-server/service-kit';
import { store0001 } from './0001-store.js';
import { store0002 } from './0002-insight.js';
import { store0003 } from './0003-reading.js';
import { store0004 } from './0004-waiting.js';
import { store0005 } from './0005-erasures.js';
import { store0006 } from './0006-duplicates.js';
import { store0007 } from './0007-search.js';
import { store0008 } from './0008-insight-results.js';

/** Schema of the store. A released migration is never changed. */
export const storeMigrations: MigrationSet = {
  table: 'migrations_store',
  command: 'store migrate',
  migrations: [store0001, store0002, store0003, store0004, store0005, store0006, store0007, store0008],
};
