import { CliError, EXIT } from './exit-codes.js';

/** A day, a month or a year without a time. JavaScript reads those as UTC, but a day with a time as local. */
const WITHOUT_TIME = /^\d{4}(-\d{2}){0,2}$/;

/**
 * Parses the date or time of an option, in the time zone of this machine unless it names another one.
 * @returns milliseconds since 1970
 * @throws CliError if it is not a date
 */
export function moment(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const begin = WITHOUT_TIME.test(text) ? `${text}${'-01'.repeat((10 - text.length) / 3)}T00:00` : text;
  const ms = /^\d{11,}$/.test(text) ? Number(text) : Date.parse(begin);
  if (Number.isNaN(ms)) throw new CliError(`--${name} must be a date, e.g. 2026-01-31`, EXIT.usage);
  return ms;
}
