/** Settings of nearly every program, defined once so that names and defaults agree. */
import { asBool, asChoice, asNonEmpty } from './setting.js';

export const LOG_LEVELS = ['critical', 'fatal', 'error', 'warning', 'warn', 'info', 'debug', 'trace'] as const;

export const dataDirSetting = {
  env: 'CL_SERVER_DIR',
  flag: 'data-dir',
  parse: asNonEmpty,
  help: 'Folder of all data',
} as const;

export const logLevelSetting = {
  env: 'LOG_LEVEL',
  flag: 'log-level',
  parse: asChoice(LOG_LEVELS),
  default: 'info' as (typeof LOG_LEVELS)[number],
  help: `How much to log: ${LOG_LEVELS.join(', ')}`,
} as const;

export const debugSetting = {
  env: 'DEBUG',
  flag: 'debug',
  isSwitch: true,
  parse: asBool,
  default: false as boolean,
  help: 'Log everything; the same as --log-level debug',
} as const;
