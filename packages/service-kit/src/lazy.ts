import { createRequire } from 'node:module';

/**
 * Loads a CommonJS package when it is first used. For those that many processes never use: loading one costs each start
 * of a process 30 to 130 ms of CPU, and the platform starts a dozen.
 */
export const load = createRequire(import.meta.url);
