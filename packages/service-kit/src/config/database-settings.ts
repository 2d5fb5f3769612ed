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

/** The launcher sets it: a service then brings its own tables up to date before it starts, instead of refusing. */
export const migrateSetting = {
  env: 'MIGRATE',
  flag: 'migrate',
  isSwitch: true,
  parse: asBool,
  default: false as boolean,
  help: 'Apply pending migrations first, instead of refusing to start without them',
} as const;

/** Of services that own their tables: they bring them up to date by themselves, unless they are told not to. */
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
