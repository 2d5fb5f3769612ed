import type { Migration } from '@cl-server/service-kit';

/**
 * This migration changes no table. The time at which it is applied is the time from which every token names its audience.
 * Older tokens are accepted without one until they expire (see `audience-since.ts`).
 */
export const audience: Migration = { name: '0003_audience', up: async () => undefined };
