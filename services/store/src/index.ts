export { storeMigrations } from './database/migrations/index.js';
export type { StoreTables } from './database/tables.js';
export { createStoreService, type StoreOptions, type StoreService } from './service.js';
