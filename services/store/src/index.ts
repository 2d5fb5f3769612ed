/** The store service, and the parts of it that tests of insight need. */

export type { StoreOptions } from './context.js';
export { storeMigrations } from './database/migrations/index.js';
export type { StoreTables } from './database/tables.js';
export { writeTransactions } from './database/transaction.js';
export { entityFeed } from './insight/entity-feed.js';
export { createStoreService, type StoreService } from './service.js';
