/** Settings of `store`. */

import { PORTS } from '@cl-server/contract/constants';
import { jobServiceSettings } from '@cl-server/job-routes';
import { jobDatabaseSettings } from '@cl-server/jobs';
import {
  asBool,
  asBytes,
  asText,
  dataDirSetting,
  debugSetting,
  folderSettings,
  hostSetting,
  httpSettings,
  keySettings,
  logLevelSetting,
  mqttSettings,
  noAuthSetting,
  portSetting,
  publicAuthSettings,
  reloadSetting,
  type Settings,
  selfMigrateSettings,
  serviceUrlSettings,
  toolSettings,
  uploadSettings,
  type Values,
} from '@cl-server/service-kit';

export const storeSettings = {
  dataDir: dataDirSetting,
  host: hostSetting,
  port: portSetting('STORE_PORT', PORTS.store),
  reload: reloadSetting,
  debug: debugSetting,
  logLevel: logLevelSetting,
  noAuth: noAuthSetting,
  readAuth: {
    env: 'READ_AUTH_ENABLED',
    flag: 'read-auth',
    isSwitch: true,
    parse: asBool,
    help: 'Whether reading requires the permission media_store_read; false: guest mode. It applies until an admin changes guest mode',
  },
  ...selfMigrateSettings,
  ...jobDatabaseSettings,
  ...folderSettings,
  ...serviceUrlSettings,
  ...publicAuthSettings,
  computeUrl: {
    env: 'COMPUTE_URL',
    flag: 'compute-url',
    parse: asText,
    help: 'Accepted for compatibility: store and compute share a database',
  },
  ...keySettings,
  ...mqttSettings,
  ...jobServiceSettings,
  ...uploadSettings,
  storageLimit: {
    env: 'STORAGE_LIMIT_BYTES',
    flag: 'storage-limit',
    parse: asBytes,
    default: 0 as number,
    help: 'Maximum size of all stored media together; 0: no limit',
  },
  ...toolSettings,
  ...httpSettings,
  retired: {
    env: 'QDRANT_URL',
    flag: 'qdrant-url',
    flagAliases: ['qdrant-collection', 'face-collection', 'dino-collection', 'compute-username', 'compute-password'],
    parse: asText,
    help: 'Accepted and ignored: vectors are kept in the database, and no login at compute is needed',
  },
} as const satisfies Settings;

export type StoreSettings = Values<typeof storeSettings>;
