/** Logging: JSON lines, or readable ones on a terminal; secrets redacted by key. */
import { type DestinationStream, type Logger, type LoggerOptions, pino, stdTimeFunctions } from 'pino';
import { load } from '../lazy.js';

export type { Logger } from 'pino';

/** Further words for `--log-level` (docs/compatibility.md), with the levels of pino that they stand for. */
const LEVELS: Readonly<Record<string, string>> = { critical: 'fatal', warning: 'warn' };

const REDACTED = [
  'password',
  'token',
  'access_token',
  'authorization',
  'cookie',
  'secret',
  'credential',
  'admin_password',
  'mqttPassword',
  'adminPassword',
].flatMap((key) => [key, `*.${key}`, `*.*.${key}`, `*.headers.${key}`]);

export interface LoggerConfig {
  readonly name: string;
  readonly level: string;
  /** The stream for the lines; standard output if absent. Lines are readable only on a terminal. */
  readonly destination?: DestinationStream;
}

export function createLogger({ name, level, destination }: LoggerConfig): Logger {
  const options: LoggerOptions = {
    name,
    level: LEVELS[level] ?? level,
    base: { name, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: REDACTED, censor: '[redacted]' },
    formatters: { level: (label) => ({ level: label }) },
  };
  if (destination) return pino(options, destination);
  if (!process.stdout.isTTY) return pino(options);
  const pretty = load('pino-pretty') as typeof import('pino-pretty');
  return pino(options, pretty({ sync: true, ignore: 'pid', translateTime: 'SYS:HH:MM:ss.l', messageFormat: '{msg}' }));
}

/** A logger that writes nothing, for tests and tools. */
export const silentLogger = (): Logger => pino({ level: 'silent' });
