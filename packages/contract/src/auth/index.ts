export * from './audit.js';
export * from './credentials.js';
export * from './endpoints.js';
export * from './permissions.js';
export * from './sessions.js';
export * from './token.js';
export * from './users.js';
