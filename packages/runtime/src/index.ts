export * from './broadcaster/index.js';
export * from './config/index.js';
export * from './database/index.js';
export * from './errors.js';
export * from './http/index.js';
export * from './logging/logger.js';
export * from './process/index.js';
export * from './tokens/index.js';
