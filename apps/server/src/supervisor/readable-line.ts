/** Converts an output line of a process to a line of its log file (JSON) and to a line for people. */
import { printable } from '@cl-server/contract/printable';

export interface LogRecord {
  readonly level: string;
  readonly time: string;
  readonly name: string;
  readonly msg: string;
  readonly [key: string]: unknown;
}

const HIDDEN = new Set(['level', 'time', 'name', 'msg', 'pid', 'hostname', 'err', 'child', 'v']);
const MAX_FIELD = 200;

/** Returns a pino line unchanged; any other text becomes the message of a new record. */
export function parseLine(line: string, name: string, level: 'info' | 'error', now: () => Date): LogRecord {
  if (line.startsWith('{')) {
    try {
      const parsed = JSON.parse(line) as Partial<LogRecord>;
      if (typeof parsed.level === 'string' && typeof parsed.time === 'string')
        return { ...parsed, msg: parsed.msg ?? '' } as LogRecord;
    } catch {
      // The line is not JSON, so it is shown as text.
    }
  }
  return { level, time: now().toISOString(), name, msg: line };
}

function field([key, value]: [string, unknown]): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return `${key}=${text && text.length > MAX_FIELD ? `${text.slice(0, MAX_FIELD)}…` : text}`;
}

/** Formats `19:40:12.345 warn  store      | message key=value (cause)`, without colours. */
export function readableLine(record: LogRecord, source: string): string {
  const clock = new Date(record.time).toTimeString().slice(0, 8);
  const fields = Object.entries(record)
    .filter(([key, value]) => !HIDDEN.has(key) && value !== null && value !== undefined)
    .map(field);
  const cause = (record['err'] as { message?: string } | undefined)?.message;
  const message = [record.msg, ...fields, ...(cause ? [`(${cause})`] : [])].join(' ').replaceAll('\n', ' ');
  return printable(`${clock} ${record.level.padEnd(5)} ${source.padEnd(9)} | ${message}`);
}
