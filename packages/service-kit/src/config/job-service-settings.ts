/** Settings of services that take jobs. */
import { asBytes, asInt, asNumber } from './setting.js';

export const jobServiceSettings = {
  maxQueuedJobs: {
    env: 'MAX_QUEUED_JOBS',
    flag: 'max-queued-jobs',
    parse: asInt(1, 100_000_000),
    default: 10_000 as number,
    help: 'Jobs that one user may have waiting',
  },
  userQuota: {
    env: 'USER_QUOTA_BYTES',
    flag: 'user-quota',
    parse: asBytes,
    default: 0 as number,
    help: 'What one user may keep over entities, files of jobs and unfinished uploads, e.g. 50GB; 0: no limit',
  },
  capabilityCacheTimeout: {
    env: 'CAPABILITY_CACHE_TIMEOUT',
    parse: asNumber(0.1, 86_400),
    help: 'Seconds without a word of a worker after which it counts as gone; default: three of its beats',
  },
} as const;
