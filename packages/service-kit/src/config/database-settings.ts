/** Settings of programs that keep a database. */
import { asBool, asDatabaseUrl } from './setting.js';

export const databaseSettings = {
  databaseUrl: {
    env: 'DATABASE_URL',
    parse: asDatabaseUrl,
    secret: true,
    help: 'One database for everything: sqlite:///path or postgres://…',
  },
} as const;

/** The launcher sets it. A service then migrates its own tables at its start, instead of refusing to start. */
export const migrateSetting = {
  env: 'MIGRATE',
  flag: 'migrate',
  isSwitch: true,
  parse: asBool,
  default: false as boolean,
  help: 'Apply pending migrations first, instead of refusing to start without them',
} as const;

/** Settings of services that own their tables. Such a service migrates them at its start unless the settings forbid it. */
export const selfMigrateSettings = {
  migrate: { ...migrateSetting, default: true as boolean, help: 'Apply pending migrations first' },
  noMigrate: {
    env: 'NO_MIGRATE',
    flag: 'no-migrate',
    isSwitch: true,
    parse: asBool,
    default: false as boolean,
    help: 'Refuse to start while migrations are pending, instead of applying them',
  },
} as const;
