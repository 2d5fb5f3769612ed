import { CliError, EXIT } from './exit-codes.js';

/** A day, a month or a year without a time. JavaScript reads those as UTC, but a day with a time as local. */
const WITHOUT_TIME = /^(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?$/;

const RELATIVE = /^(\d{1,6})\s*([smhdwy]|min|mo)$/;

/** Goes back by a number of units, in the calendar of this machine. */
function ago(now: Date, count: number, unit: string): Date {
  const at = new Date(now);
  if (unit === 's') at.setSeconds(at.getSeconds() - count);
  else if (unit === 'm' || unit === 'min') at.setMinutes(at.getMinutes() - count);
  else if (unit === 'h') at.setHours(at.getHours() - count);
  else if (unit === 'd') at.setDate(at.getDate() - count);
  else if (unit === 'w') at.setDate(at.getDate() - 7 * count);
  else if (unit === 'mo') at.setMonth(at.getMonth() - count);
  else at.setFullYear(at.getFullYear() - count);
  return at;
}

/** The beginning of a day, a month or a year, and the beginning of the next one. */
function period(text: string, now: Date): readonly [Date, Date] | undefined {
  const day = (offset: number): Date => new Date(now.getFullYear(), now.getMonth(), now.getDate() + offset);
  if (text === 'today') return [day(0), day(1)];
  if (text === 'yesterday') return [day(-1), day(0)];
  const [, year, month, date] = WITHOUT_TIME.exec(text) ?? [];
  if (year === undefined) return undefined;
  const [y, m, d] = [Number(year), Number(month ?? 1) - 1, Number(date ?? 1)];
  const begin = new Date(y, m, d);
  // 2026-02-30 would otherwise be a day in March.
  if (begin.getMonth() !== m || begin.getDate() !== d) return undefined;
  if (date !== undefined) return [begin, new Date(y, m, d + 1)];
  return [begin, month === undefined ? new Date(y + 1, 0, 1) : new Date(y, m + 1, 1)];
}

/**
 * Parses the date or time of an option, in the time zone of this machine unless it names another one: `2026-01-31`,
 * `2026-01`, `"2026-01-31 17:05"`, ISO 8601, `today`, `yesterday`, `now`, or a time before now such as `7d` or `2h`. A
 * `--to` without a time includes the whole day, month or year.
 * @returns milliseconds since 1970
 * @throws CliError if it is not a date
 */
export function moment(name: 'from' | 'to', given: string | undefined, now = new Date()): number | undefined {
  if (given === undefined) return undefined;
  const text = given.trim().toLowerCase();
  const whole = period(text, now);
  if (whole) return name === 'to' ? whole[1].getTime() - 1 : whole[0].getTime();
  const [, count, unit = ''] = RELATIVE.exec(text.replace(/ ago$/, '')) ?? [];
  if (text === 'now') return now.getTime();
  if (count !== undefined) return ago(now, Number(count), unit).getTime();
  const ms = WITHOUT_TIME.test(text) ? Number.NaN : /^\d{11,}$/.test(text) ? Number(text) : Date.parse(given);
  // JavaScript also accepts texts such as "7 apples" as dates.
  if (Number.isNaN(ms) || !/^\d{4}-\d{2}|^\d{11,}$/.test(text))
    throw new CliError(`Invalid --${name} ${given}: use a date such as 2026-01-31, yesterday, or 7d`, EXIT.usage);
  return ms;
}
