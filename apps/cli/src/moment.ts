import { CliError, EXIT } from './exit-codes.js';

/** A day, a month or a year alone. JavaScript takes those for UTC, and a day with a time for local. */
const WITHOUT_TIME = /^\d{4}(-\d{2}){0,2}$/;

/**
 * The moment that an option names, in the time zone of this machine unless it names another one.
 * @returns milliseconds since 1970
 * @throws CliError where it is none
 */
export function moment(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const begin = WITHOUT_TIME.test(text) ? `${text}${'-01'.repeat((10 - text.length) / 3)}T00:00` : text;
  const ms = /^\d{11,}$/.test(text) ? Number(text) : Date.parse(begin);
  if (Number.isNaN(ms)) throw new CliError(`--${name} should be a date, e.g. 2026-01-31`, EXIT.usage);
  return ms;
}
