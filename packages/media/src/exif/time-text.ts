/**
 * Reads one time in the forms that files contain: EXIF's colons, ISO 8601, slashes, RFC 1123, digits alone; complete,
 * or only a year, a month or a day. A time that does not exist (30 February, an offset of 25 hours) is not turned into
 * one that does.
 */

export interface FileTime {
  readonly year: number;
  /** 1 to 12; absent if the file leaves it open, and then there is no day and no time. */
  readonly month?: number;
  readonly day?: number;
  /** `12:34:56`. */
  readonly time?: string;
  /** Digits of the fraction of a second. */
  readonly fraction?: string;
  /** Minutes east of UTC. */
  readonly offset?: number;
}

/** EXIF leaves unknown parts blank. */
const DATE = /^(\d{4})(?:[-:/.](\d{1,2}| {1,2})(?:[-:/.](\d{1,2}| {0,2}))?)?(?![\d:/.-])/;
const DIGITS = /^(\d{4})(\d{2})(\d{2})(?!\d)/;
const WORDS = /^(?:[a-z]{3,9},? +)?(\d{1,2})[ -]([a-z]{3})[a-z]*[ -](\d{4})(?!\d)/i;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const TIME = /^[ T]*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?/;
const TIME_DIGITS = /^[ T]*(\d{2})(\d{2})(\d{2})(?!\d)/;
const ZONE = /^\s*(?:(Z|UTC|GMT)\b|([+-])(\d{1,2})(?::?(\d{2}))?(?!\d))/i;
/** The time zones of the earth reach from -12:00 to +14:00. */
const MAX_OFFSET_MINUTES = 14 * 60;

/** @returns minutes east of UTC; undefined if the text is not an offset that exists */
export function offsetOf(text: string | null): number | undefined {
  const match = ZONE.exec(text ?? '');
  if (!match) return undefined;
  const [, utc, sign, hours, minutes = '0'] = match;
  if (utc !== undefined) return 0;
  const offset = Number(hours) * 60 + Number(minutes);
  return Number(minutes) < 60 && offset <= MAX_OFFSET_MINUTES ? (sign === '-' ? -offset : offset) || 0 : undefined;
}

function timeOf(rest: string): Pick<FileTime, 'time' | 'fraction' | 'offset'> | undefined {
  const match = TIME.exec(rest) ?? TIME_DIGITS.exec(rest);
  if (!match) return undefined;
  const [found, hour, minute, second = '00', fraction] = match;
  const after = rest.slice(found.length);
  const half = /^\s*([ap])\.?m\b/i.exec(after)?.[1]?.toLowerCase();
  const hours = half === undefined || Number(hour) > 12 ? Number(hour) : (Number(hour) % 12) + (half === 'p' ? 12 : 0);
  if (hours > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  // Times in milliseconds cannot represent a leap second.
  const seconds = Math.min(59, Number(second));
  const time = [hours, Number(minute), seconds].map((part) => String(part).padStart(2, '0')).join(':');
  const offset = offsetOf(after);
  return { time, ...(fraction !== undefined && { fraction }), ...(offset !== undefined && { offset }) };
}

const daysOf = (year: number, month: number): number => {
  const last = new Date(0);
  last.setUTCFullYear(year, month, 0);
  return last.getUTCDate();
};

/** @returns undefined if the text is not a time that exists */
export function parseTime(text: string): FileTime | undefined {
  const given = text.trim();
  const words = WORDS.exec(given);
  const match = words ?? DIGITS.exec(given) ?? DATE.exec(given);
  if (!match) return undefined;
  const [found, first = '', second = '', third = ''] = match;
  const year = Number(words ? third : first);
  const month = words ? MONTHS.indexOf(second.toLowerCase()) + 1 : Number(second);
  const day = Number(words ? first : third);
  // Cameras whose clock was never set write 0000:00:00; zeros and blanks in month and day leave them open.
  if (year === 0 || month > 12 || (words && month === 0)) return undefined;
  if (month === 0) return { year };
  if (day === 0) return { year, month };
  if (day > daysOf(year, month)) return undefined;
  return { year, month, day, ...timeOf(given.slice(found.length)) };
}
