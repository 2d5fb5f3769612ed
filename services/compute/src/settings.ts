/** Settings of `compute-server`. */
import {
  dataDirSetting,
  debugSetting,
  folderSettings,
  hostSetting,
  httpSettings,
  jobDatabaseSettings,
  jobServiceSettings,
  keySettings,
  logLevelSetting,
  migrateSetting,
  mqttSettings,
  noAuthSetting,
  portSetting,
  reloadSetting,
  type Settings,
  serviceUrlSettings,
  uploadSettings,
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
  debug: debugSetting,
  logLevel: logLevelSetting,
  noAuth: noAuthSetting,
  migrate: migrateSetting,
  ...jobDatabaseSettings,
  ...folderSettings,
  ...serviceUrlSettings,
  ...keySettings,
  ...mqttSettings,
  ...jobServiceSettings,
  ...uploadSettings,
  ...httpSettings,
} as const satisfies Settings;
