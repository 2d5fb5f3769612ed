/** Settings of services that accept jobs. */
import { asBytes, asInt, asNumber } from '@cl-server/service-kit';

export const jobServiceSettings = {
  maxQueuedJobs: {
    env: 'MAX_QUEUED_JOBS',
    flag: 'max-queued-jobs',
    parse: asInt(1, 100_000_000),
    default: 10_000 as number,
    help: 'Maximum number of waiting jobs per user',
  },
  userQuota: {
    env: 'USER_QUOTA_BYTES',
    flag: 'user-quota',
    parse: asBytes,
    default: 0 as number,
    help: 'Storage that one user may use for entities, job files, unfinished uploads and streams, for example 50GB; 0: no limit',
  },
  capabilityCacheTimeout: {
    env: 'CAPABILITY_CACHE_TIMEOUT',
    parse: asNumber(0.1, 86_400),
    help: 'Seconds without a heartbeat before a worker is considered offline (default: 3 heartbeats)',
  },
} as const;
