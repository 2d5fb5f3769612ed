/** The time at which a picture or a recording was taken. Every reader of metadata uses this one table of tags. */
import type { TagIndex } from './tags.js';
import { type FileTime, offsetOf, parseTime } from './time-text.js';

export interface CaptureTime {
  /** ISO 8601, as precise as the file: `1985`, `1985-07`, `1985-07-14`, or a whole time; with its offset if known. */
  readonly iso: string;
  /** Milliseconds since 1970 at the beginning of that period; a time without an offset counts as UTC. */
  readonly milliseconds: number;
  /** Minutes east of UTC; null if the file does not say. */
  readonly offset: number | null;
}

interface Source {
  readonly date: string;
  /** The tag of the time of day, if it is not in the tag of the date. */
  readonly time?: string;
  /** The tags of the offset, the best first. */
  readonly offsets?: readonly string[];
  readonly fraction?: string;
  /** The rules of the container say that this time is UTC. */
  readonly isUtc?: boolean;
  /** A date without a time is skipped here, because a more precise tag may follow. */
  readonly isWhole?: boolean;
}

/** The best first. Times of capture come before those of files, and times with an offset before those without. */
const SOURCES: readonly Source[] = [
  {
    date: 'EXIF:DateTimeOriginal',
    offsets: ['OffsetTimeOriginal', 'OffsetTime', 'OffsetTimeDigitized'],
    fraction: 'SubSecTimeOriginal',
  },
  // Apple writes the local time with its offset, while the container itself has only UTC.
  { date: 'QuickTime:CreationDate' },
  { date: 'QuickTime:DateTimeOriginal' },
  { date: 'XMP:DateTimeOriginal', offsets: ['XMP:OffsetTimeOriginal'] },
  { date: 'EXIF:CreateDate', offsets: ['OffsetTimeDigitized', 'OffsetTime'], fraction: 'SubSecTimeDigitized' },
  { date: 'XMP:DateCreated' },
  { date: 'IPTC:DateCreated', time: 'IPTC:TimeCreated' },
  { date: 'XMP:DateTimeDigitized' },
  { date: 'XMP:CreateDate' },
  { date: 'IPTC:DigitalCreationDate', time: 'IPTC:DigitalCreationTime' },
  // Text fields of PNG, in the spellings that programs use.
  { date: 'PNG:DateTimeOriginal' },
  { date: 'PNG:ExifDateTimeOriginal' },
  { date: 'PNG:CreationTime' },
  { date: 'PNG:Creation_time' },
  { date: 'PNG:PhotoshopDateCreated' },
  { date: 'PNG:XmpCreateDate' },
  { date: 'PNG:CreateDate' },
  { date: 'QuickTime:ContentCreateDate', isWhole: true },
  { date: 'QuickTime:CreateDate', isUtc: true },
  { date: 'QuickTime:MediaCreateDate', isUtc: true },
  { date: 'QuickTime:TrackCreateDate', isUtc: true },
  { date: 'QuickTime:ContentCreateDate' },
  { date: 'Matroska:DateTimeOriginal', isUtc: true },
  { date: 'RIFF:DateTimeOriginal' },
  { date: 'RIFF:DateCreated' },
  // Tags of other groups: notes of the camera, rare containers.
  { date: 'DateTimeOriginal' },
  { date: 'CreationDate' },
  { date: 'Composite:GPSDateTime', isUtc: true },
  { date: 'EXIF:GPSDateStamp', time: 'EXIF:GPSTimeStamp', isUtc: true },
  { date: 'XMP:GPSDateTime', isUtc: true },
  { date: 'EXIF:ModifyDate', offsets: ['OffsetTime', 'OffsetTimeOriginal'], fraction: 'SubSecTime' },
  { date: 'DateTime' },
  { date: 'XMP:ModifyDate' },
  { date: 'QuickTime:ModifyDate', isUtc: true },
  { date: 'CreateDate' },
  { date: 'ModifyDate' },
];

const two = (value: number): string => String(value).padStart(2, '0');

function offsetText(offset: number): string {
  const minutes = Math.abs(offset);
  return `${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

function assemble({ year, month, day, time, fraction, offset }: FileTime): CaptureTime {
  const parts = [String(year).padStart(4, '0'), ...[month, day].filter((part) => part !== undefined).map(two)];
  const [hours = 0, minutes = 0, seconds = 0] = (time ?? '').split(':').map(Number);
  const at = new Date(0);
  at.setUTCFullYear(year, (month ?? 1) - 1, day ?? 1);
  at.setUTCHours(hours, minutes - (offset ?? 0), seconds, Number((fraction ?? '').slice(0, 3).padEnd(3, '0')));
  const digits = fraction === undefined || fraction === '' ? '' : `.${fraction.slice(0, 9)}`;
  const clock = time === undefined ? '' : `T${time}${digits}${offset === undefined ? '' : offsetText(offset)}`;
  return { iso: parts.join('-') + clock, milliseconds: at.getTime(), offset: offset ?? null };
}

function read(tags: TagIndex, { date, time, offsets = [], fraction, isUtc, isWhole }: Source): FileTime | undefined {
  const day = tags.text(date);
  if (day === null) return undefined;
  const hour = time === undefined ? null : tags.text(time);
  const found = parseTime(hour === null ? day : `${day} ${hour}`);
  if (!found) return undefined;
  if (found.time === undefined) return isWhole ? undefined : found;
  const subseconds = fraction === undefined ? '' : (/^\d*/.exec(tags.text(fraction) ?? '')?.[0] ?? '');
  const zones = offsets.map((name) => offsetOf(tags.text(name)));
  const offset = found.offset ?? zones.find((zone) => zone !== undefined) ?? (isUtc ? 0 : undefined);
  return { ...found, fraction: found.fraction ?? subseconds, ...(offset !== undefined && { offset }) };
}

export function captureTime(tags: TagIndex): CaptureTime | null {
  for (const source of SOURCES) {
    const found = read(tags, source);
    if (found) return assemble(found);
  }
  return null;
}
