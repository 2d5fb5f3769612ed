export * from './adapter.js';
export * from './away.js';
export * from './by-dialect.js';
export * from './clock.js';
export * from './database.js';
export * from './migrate.js';
export * from './open.js';
