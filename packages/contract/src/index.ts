export * from './auth/index.js';
export * from './constants.js';
export * from './http/index.js';
export * from './jobs/index.js';
export * from './models/index.js';
export * from './run-state.js';
export * from './store/index.js';
export * from './tasks/index.js';
