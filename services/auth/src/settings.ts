/** Settings of `auth-server` from flags, the environment and config.yaml. */

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
import { addressSettings } from './discovery/settings.js';

const asRetention = (text: string): number => (text.trim() === '0' ? 0 : asInt(30, 36_500)(text));

/** One year. */
export const MAX_TOKEN_MINUTES = 525_600;
/** Ten years. */
const MAX_SESSION_DAYS = 3_650;

export const AUTH_SETTINGS = {
  dataDir: dataDirSetting,
  host: hostSetting,
  port: portSetting('AUTH_PORT', PORTS.auth),
  logLevel: logLevelSetting,
  authDatabaseUrl: {
    env: 'AUTH_DATABASE_URL',
    parse: asDatabaseUrl,
    secret: true,
    help: 'User database: sqlite:///path or postgres://… (default: user_auth.db in the data folder)',
  },
  ...databaseSettings,
  privateKeyPath: {
    env: 'PRIVATE_KEY_PATH',
    flag: 'private-key-path',
    parse: asNonEmpty,
    help: 'Private key file (default: private_key.pem in the data folder)',
  },
  publicKeyPath: {
    ...keySettings.publicKeyPath,
    help: 'Public key file (default: public_key.pem in the data folder)',
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
    help: 'Password of the first admin (default: random); ADMIN_PASSWORD_FILE keeps it out of the process list',
  },
  tokenExpireMinutes: {
    env: 'ACCESS_TOKEN_EXPIRE_MINUTES',
    flag: 'token-expire-minutes',
    parse: asInt(1, MAX_TOKEN_MINUTES),
    default: 30 as number,
    help: 'Token lifetime in minutes',
  },
  sessionIdleDays: {
    env: 'SESSION_IDLE_DAYS',
    flag: 'session-idle-days',
    parse: asInt(1, MAX_SESSION_DAYS),
    default: 30 as number,
    help: 'Days without use after which a session ends',
  },
  sessionMaxDays: {
    env: 'SESSION_MAX_DAYS',
    flag: 'session-max-days',
    parse: asInt(1, MAX_SESSION_DAYS),
    default: 90 as number,
    help: 'Days after the login at which a session ends, however often it is used',
  },
  auditRetentionDays: {
    env: 'AUDIT_RETENTION_DAYS',
    flag: 'audit-retention-days',
    parse: asRetention,
    default: 365 as number,
    help: 'Days for which audit entries are kept, at least 30; 0 keeps them for ever',
  },
  ...httpSettings,
  ...addressSettings,
  mqttUrl: { ...mqttSettings.mqttUrl, help: 'Broker of the platform, so that clients learn its port' },
  reload: reloadSetting,
  ...selfMigrateSettings,
} as const;

/** The service's own URL takes precedence over the common one, which takes precedence over the file in the data folder. */
export const authDatabaseUrl = (
  values: { readonly authDatabaseUrl: string | undefined; readonly databaseUrl: string | undefined },
  dataDir: string,
): string => values.authDatabaseUrl ?? values.databaseUrl ?? sqliteUrl(path.join(dataDir, 'user_auth.db'));
