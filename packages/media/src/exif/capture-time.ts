import type { TagIndex } from './tags.js';

const STAMP = /^(\d{4})[:-](\d{2})[:-](\d{2})[ T](\d{2}):(\d{2})(?::(\d{2}))?(?:\.(\d+))?\s*(Z|[+-]\d{2}:?\d{2})?$/;

export interface CaptureTime {
  /** ISO 8601; with an offset where the file has one. */
  readonly iso: string;
  /** Milliseconds since 1970; a time without an offset is taken as UTC. */
  readonly milliseconds: number;
  readonly hasOffset: boolean;
}

interface Stamp {
  readonly local: string;
  readonly fraction: string;
  readonly offset: string | null;
}

function parse(text: string | null): Stamp | null {
  const match = text === null ? null : STAMP.exec(text.trim());
  if (!match) return null;
  const [, year, month, day, hour, minute, second = '00', fraction = '', zone] = match;
  // 0000:00:00 is how cameras write "not set".
  if (Number(year) === 0 || Number(month) === 0 || Number(day) === 0) return null;
  return { local: `${year}-${month}-${day}T${hour}:${minute}:${second}`, fraction, offset: offsetOf(zone ?? null) };
}

function offsetOf(text: string | null): string | null {
  if (text === null) return null;
  if (text === 'Z') return '+00:00';
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(text.trim());
  return match ? `${match[1]}${match[2]}:${match[3]}` : null;
}

function assemble({ local, fraction, offset }: Stamp): CaptureTime | null {
  const digits = fraction === '' ? '' : `.${fraction.slice(0, 9)}`;
  const milliseconds = Date.parse(
    `${local}${fraction === '' ? '' : `.${fraction.slice(0, 3).padEnd(3, '0')}`}${offset ?? 'Z'}`,
  );
  if (!Number.isFinite(milliseconds)) return null;
  return { iso: `${local}${digits}${offset ?? ''}`, milliseconds, hasOffset: offset !== null };
}

/** Tags of the moment of capture, best first, each with the tags of its offset and its sub-seconds. */
const SOURCES: readonly (readonly [date: string, offset: string, fraction: string, utc?: boolean])[] = [
  ['DateTimeOriginal', 'OffsetTimeOriginal', 'SubSecTimeOriginal'],
  ['CreationDate', 'OffsetTime', 'SubSecTime'],
  ['CreateDate', 'OffsetTimeDigitized', 'SubSecTimeDigitized'],
  ['DateTimeCreated', 'OffsetTime', 'SubSecTime'],
  ['MediaCreateDate', 'OffsetTime', 'SubSecTime', true],
  ['DateTime', 'OffsetTime', 'SubSecTime'],
  ['ModifyDate', 'OffsetTime', 'SubSecTime'],
];

/**
 * When the picture was taken.
 * @param isVideo QuickTime dates are UTC by their standard
 */
export function captureTime(tags: TagIndex, isVideo = false): CaptureTime | null {
  for (const [date, offset, fraction, utc = false] of SOURCES) {
    const stamp = parse(tags.text(date));
    if (!stamp) continue;
    const subseconds = stamp.fraction || (tags.text(fraction) ?? '').replace(/\D.*$/, '');
    const zone = stamp.offset ?? offsetOf(tags.text(offset) ?? tags.text('OffsetTime'));
    const time = assemble({ ...stamp, fraction: subseconds, offset: zone ?? (utc || isVideo ? '+00:00' : null) });
    if (time) return time;
  }
  return null;
}
