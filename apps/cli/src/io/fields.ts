/** One thing as a person reads it: its fields in lines, what is within them set in. */
import { printable } from '@cl-server/contract/printable';

const two = (value: number): string => String(value).padStart(2, '0');

/** Milliseconds since 1970 as `2026-01-31 17:05:09`, in the time zone of this machine. */
export function localTime(ms: number): string {
  const at = new Date(ms);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/**
 * The time at which a picture was taken, as its file says it: on the clock of the place where it was taken, whatever the
 * time zone of this machine is.
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

/** Names of fields that hold milliseconds since 1970. */
const isTime = (key: string, value: unknown): value is number =>
  typeof value === 'number' && value > 1e11 && /(_at|_date|_updated|timestamp)$/.test(key);

/** Longer lists of numbers, such as vectors, are only counted; JSON has them whole. */
const LONGEST_LIST = 20;

const plain = (value: unknown): string =>
  typeof value === 'number' && !Number.isInteger(value)
    ? String(Number(value.toPrecision(6)))
    : printable(String(value));

/** A value that fits into a line: anything but fields, and lists of them. */
function inLine(key: string, value: unknown, beside: Fields): string | undefined {
  if (key === 'create_date' && typeof value === 'number') return captureText(value, beside['create_date_offset']);
  if (isTime(key, value)) return localTime(value);
  if (typeof value !== 'object') return plain(value);
  if (!Array.isArray(value) || value.some((item) => typeof item === 'object')) return undefined;
  if (value.length > LONGEST_LIST && typeof value[0] === 'number') return `${value.length} numbers`;
  return value.length === 0 ? 'none' : value.map(plain).join(' ');
}

const present = (fields: Fields): [string, unknown][] =>
  Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);

/** Fields of an item of a list, all in one line. */
const short = (fields: Fields): string =>
  present(fields)
    .map(
      ([key, value]) =>
        `${printable(key)}=${inLine(key, value, fields) ?? (isFields(value) ? `(${short(value)})` : printable(JSON.stringify(value)))}`,
    )
    .join('  ');

/** @param emphasis of the names */
export function fieldLines(fields: Fields, emphasis: (text: string) => string, indent = ''): string[] {
  const entries = present(fields);
  const width = Math.max(0, ...entries.map(([key]) => key.length));
  return entries.flatMap(([key, value]) => {
    const name = printable(key);
    const line = inLine(key, value, fields);
    if (line !== undefined) return [`${indent}${emphasis(name.padEnd(width))}  ${line}`];
    const within = `${indent}  `;
    if (isFields(value)) return [`${indent}${emphasis(name)}`, ...fieldLines(value, emphasis, within)];
    const items = value as readonly unknown[];
    return [
      `${indent}${emphasis(name)}`,
      ...items.map((item) => `${within}${isFields(item) ? short(item) : printable(JSON.stringify(item))}`),
    ];
  });
}
