/** The parts that every program needs first: settings, errors, logs, life cycle. They load in a fraction of the time. */
export * from './config/index.js';
export * from './errors.js';
export * from './http/allowed-hosts.js';
export * from './http/http-options.js';
export * from './http-get.js';
export * from './logging/logger.js';
export * from './process/index.js';
