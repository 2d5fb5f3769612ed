/** What a program needs before it knows what it does: settings, errors, logs, its life. Loads in a fraction of the whole. */
export * from './config/index.js';
export * from './errors.js';
export * from './http/allowed-hosts.js';
export * from './http/http-options.js';
export * from './http-get.js';
export * from './logging/logger.js';
export * from './process/index.js';
