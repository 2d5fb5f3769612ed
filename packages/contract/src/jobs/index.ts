export * from './compute.js';
export * from './endpoints.js';
export * from './lists.js';
export * from './schemas.js';
