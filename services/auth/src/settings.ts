/** What `auth-server` can be told: flags, environment, config.yaml. */

import path from 'node:path';
import { PORTS } from '@cl-server/contract/constants';
import {
  asDatabaseUrl,
  asInt,
  asNonEmpty,
  asText,
  databaseSettings,
  dataDirSetting,
  hostSetting,
  httpSettings,
  keySettings,
  logLevelSetting,
  mqttSettings,
  portSetting,
  reloadSetting,
  selfMigrateSettings,
  sqliteUrl,
} from '@cl-server/service-kit';

const asRetention = (text: string): number => (text.trim() === '0' ? 0 : asInt(30, 36_500)(text));

/** A year. */
export const MAX_TOKEN_MINUTES = 525_600;

export const AUTH_SETTINGS = {
  dataDir: dataDirSetting,
  host: hostSetting,
  port: portSetting('AUTH_PORT', PORTS.auth),
  logLevel: logLevelSetting,
  authDatabaseUrl: {
    env: 'AUTH_DATABASE_URL',
    parse: asDatabaseUrl,
    secret: true,
    help: 'Database of users: sqlite:///path or postgres://…; user_auth.db in the data folder if absent',
  },
  ...databaseSettings,
  privateKeyPath: {
    env: 'PRIVATE_KEY_PATH',
    flag: 'private-key-path',
    parse: asNonEmpty,
    help: 'Private key file; private_key.pem in the data folder if absent',
  },
  publicKeyPath: {
    ...keySettings.publicKeyPath,
    help: 'Public key file; public_key.pem in the data folder if absent',
  },
  adminUsername: {
    env: 'ADMIN_USERNAME',
    flag: 'admin-username',
    parse: asNonEmpty,
    default: 'admin' as string,
    help: 'Name of the first admin',
  },
  adminPassword: {
    env: 'ADMIN_PASSWORD',
    flag: 'admin-password',
    parse: asText,
    secret: true,
    help: 'Password of the first admin, random if absent; ADMIN_PASSWORD_FILE keeps it out of the process list',
  },
  tokenExpireMinutes: {
    env: 'ACCESS_TOKEN_EXPIRE_MINUTES',
    flag: 'token-expire-minutes',
    parse: asInt(1, MAX_TOKEN_MINUTES),
    default: 30 as number,
    help: 'Minutes that a token lives',
  },
  auditRetentionDays: {
    env: 'AUDIT_RETENTION_DAYS',
    flag: 'audit-retention-days',
    parse: asRetention,
    default: 365 as number,
    help: 'Days that entries of the audit table are kept, 30 at least; 0: for ever',
  },
  ...httpSettings,
  mqttUrl: { ...mqttSettings.mqttUrl, help: 'Accepted and ignored: this service publishes nothing' },
  reload: reloadSetting,
  ...selfMigrateSettings,
} as const;

/** The specific URL beats the common one, which beats the file in the data folder. */
export const authDatabaseUrl = (
  values: { readonly authDatabaseUrl: string | undefined; readonly databaseUrl: string | undefined },
  dataDir: string,
): string => values.authDatabaseUrl ?? values.databaseUrl ?? sqliteUrl(path.join(dataDir, 'user_auth.db'));
