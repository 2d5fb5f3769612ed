/** Formats one object for a person: one field per line, with nested fields indented. */
import { printable } from '@cl-server/contract/printable';
import { wrap } from './table.js';

const two = (value: number): string => String(value).padStart(2, '0');

/** Formats milliseconds since 1970 as `2026-01-31 17:05:09`, in the time zone of this machine. */
export function localTime(ms: number): string {
  const at = new Date(ms);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/**
 * Formats the time at which a picture was taken as its file states it: in the local time of the place where it was taken,
 * independent of the time zone of this machine.
 */
function captureText(ms: number, offset: unknown): string {
  const minutes = typeof offset === 'number' ? offset : 0;
  const shown = new Date(ms + minutes * 60_000).toISOString().replace('T', ' ').slice(0, -5);
  const [sign, away] = minutes < 0 ? ['-', -minutes] : ['+', minutes];
  return typeof offset === 'number' ? `${shown} ${sign}${two(Math.floor(away / 60))}:${two(away % 60)}` : shown;
}

type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether a field holds milliseconds since 1970, judged by its name. */
const isTime = (key: string, value: unknown): value is number =>
  typeof value === 'number' && value > 1e11 && /(_at|_date|_updated|timestamp)$/.test(key);

/** Longer lists of numbers, such as vectors, are shown as their length only; JSON output has them complete. */
const MAX_SHOWN_NUMBERS = 20;

const plain = (value: unknown): string =>
  typeof value === 'number' && !Number.isInteger(value)
    ? String(Number(value.toPrecision(6)))
    : printable(String(value));

/** Formats a value that fits into one line; undefined for nested fields and lists of them. */
function inLine(key: string, value: unknown, others: Fields): string | undefined {
  if (key === 'create_date' && typeof value === 'number') return captureText(value, others['create_date_offset']);
  if (isTime(key, value)) return localTime(value);
  if (typeof value !== 'object') return plain(value);
  if (!Array.isArray(value) || value.some((item) => typeof item === 'object')) return undefined;
  if (value.length > MAX_SHOWN_NUMBERS && typeof value[0] === 'number') return `${value.length} numbers`;
  return value.length === 0 ? 'none' : value.map(plain).join(' ');
}

const present = (fields: Fields): [string, unknown][] =>
  Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);

/** Formats the fields of a list item in one line. */
const short = (fields: Fields): string =>
  present(fields)
    .map(
      ([key, value]) =>
        `${printable(key)}=${inLine(key, value, fields) ?? (isFields(value) ? `(${short(value)})` : printable(JSON.stringify(value)))}`,
    )
    .join('  ');

/** The width of values does not fall below this on a narrow terminal. */
const LEAST_VALUE = 20;

/** Puts a value beside its name; on a terminal, further lines of the value stand below the first one. */
function beside(prefix: string, styled: string, value: string, width: number | undefined): string[] {
  if (width === undefined) return [styled + value];
  const lines = wrap(value, Math.max(LEAST_VALUE, width - prefix.length));
  return lines.map((line, i) => (i === 0 ? styled : ' '.repeat(prefix.length)) + line);
}

/**
 * @param emphasis styles the names of fields
 * @param width the columns of the terminal; undefined: lines are never broken
 */
export function fieldLines(
  fields: Fields,
  emphasis: (text: string) => string,
  width: number | undefined,
  indent = '',
): string[] {
  const entries = present(fields);
  const widest = Math.max(0, ...entries.map(([key]) => printable(key).length));
  return entries.flatMap(([key, value]) => {
    const name = printable(key);
    const line = inLine(key, value, fields);
    const padded = name.padEnd(widest);
    if (line !== undefined) return beside(`${indent}${padded}  `, `${indent}${emphasis(padded)}  `, line, width);
    const within = `${indent}  `;
    if (isFields(value)) return [`${indent}${emphasis(name)}`, ...fieldLines(value, emphasis, width, within)];
    const items = value as readonly unknown[];
    return [
      `${indent}${emphasis(name)}`,
      ...items.flatMap((item) =>
        beside(within, within, isFields(item) ? short(item) : printable(JSON.stringify(item)), width),
      ),
    ];
  });
}

/** Formats milliseconds since 1970 as `2026-01-31 17:05`, for tables. */
export const localMinute = (ms: number): string => localTime(ms).slice(0, 16);
