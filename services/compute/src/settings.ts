/** Settings of `compute-server`. */

import { PORTS } from '@cl-server/contract/constants';
import { jobServiceSettings } from '@cl-server/job-routes';
import { jobDatabaseSettings } from '@cl-server/jobs';
import {
  asInt,
  dataDirSetting,
  debugSetting,
  folderSettings,
  hostSetting,
  httpSettings,
  keySettings,
  logLevelSetting,
  migrateSetting,
  mqttSettings,
  noAuthSetting,
  portSetting,
  publicAuthSettings,
  reloadSetting,
  type Settings,
  serviceUrlSettings,
  uploadSettings,
} from '@cl-server/service-kit';

/** Settings of `compute-migrate`. */
export const migrateSettings = {
  dataDir: dataDirSetting,
  ...jobDatabaseSettings,
} as const satisfies Settings;

export const computeSettings = {
  dataDir: dataDirSetting,
  host: hostSetting,
  port: portSetting('COMPUTE_PORT', PORTS.compute),
  reload: reloadSetting,
  debug: debugSetting,
  logLevel: logLevelSetting,
  noAuth: noAuthSetting,
  migrate: migrateSetting,
  ...jobDatabaseSettings,
  ...folderSettings,
  ...serviceUrlSettings,
  ...publicAuthSettings,
  ...keySettings,
  ...mqttSettings,
  ...jobServiceSettings,
  jobRetentionDays: {
    env: 'JOB_RETENTION_DAYS',
    flag: 'job-retention-days',
    parse: asInt(0, 36_500),
    default: 0 as number,
    help: 'Days after their end for which jobs and their files are kept; 0: for ever',
  },
  ...uploadSettings,
  ...httpSettings,
} as const satisfies Settings;
