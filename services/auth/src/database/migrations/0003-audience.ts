import type { Migration } from '@cl-server/service-kit';

/**
 * Changes no table: the time at which it is applied is the time from which on every token names its audience. Tokens from
 * before are accepted without one until they expire (see `audience-since.ts`).
 */
export const audience: Migration = { name: '0003_audience', up: async () => undefined };
