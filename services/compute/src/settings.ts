/** Settings of `compute-server`. */
import {
  asBool,
  asInt,
  asList,
  asNonEmpty,
  asNumber,
  dataDirSetting,
  hostSetting,
  jobDatabaseSettings,
  keySettings,
  logLevelSetting,
  migrateSetting,
  mqttSettings,
  portSetting,
  reloadSetting,
  type Settings,
  serviceUrlSettings,
  uploadSettings,
  type Values,
} from '@cl-server/runtime';

/** What `compute-migrate` needs. */
export const migrateSettings = {
  dataDir: dataDirSetting,
  ...jobDatabaseSettings,
} as const satisfies Settings;

export const computeSettings = {
  dataDir: dataDirSetting,
  host: hostSetting,
  port: portSetting('compute'),
  reload: reloadSetting,
  debug: {
    env: 'DEBUG',
    flag: 'debug',
    isSwitch: true,
    parse: asBool,
    default: false as boolean,
    help: 'Log everything; the same as --log-level debug',
  },
  logLevel: logLevelSetting,
  noAuth: {
    env: 'AUTH_DISABLED',
    flag: 'no-auth',
    isSwitch: true,
    parse: asBool,
    default: false as boolean,
    help: 'Let everyone do everything, admin endpoints too',
  },
  migrate: migrateSetting,
  ...jobDatabaseSettings,
  computeStorageDir: {
    env: 'COMPUTE_STORAGE_DIR',
    parse: asNonEmpty,
    help: 'Folder of job files; default: compute in the data folder',
  },
  mediaStorageDir: {
    env: 'MEDIA_STORAGE_DIR',
    parse: asNonEmpty,
    help: 'Folder of stored media; default: media in the data folder',
  },
  ...serviceUrlSettings,
  ...keySettings,
  ...mqttSettings,
  capabilityCacheTimeout: {
    env: 'CAPABILITY_CACHE_TIMEOUT',
    parse: asNumber(0.1, 86_400),
    help: 'Seconds without a word of a worker after which it counts as gone; default: three of its beats',
  },
  ...uploadSettings,
  maxQueuedJobs: {
    env: 'MAX_QUEUED_JOBS',
    flag: 'max-queued-jobs',
    parse: asInt(1, 100_000_000),
    default: 10_000 as number,
    help: 'Jobs that one user may have waiting',
  },
  corsOrigins: {
    env: 'CORS_ORIGINS',
    parse: asList,
    default: [] as readonly string[],
    help: 'Web pages that may call this service, as origins, comma-separated; * for all',
  },
} as const satisfies Settings;

export type ComputeSettings = Values<typeof computeSettings>;
