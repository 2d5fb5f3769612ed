/** Parses the values of options that have units. */
import { InvalidArgumentError } from 'commander';

/** Parses a size in bytes: `5MB`, `1.5 GiB` or `1000000`, as the settings of the server do. */
export function size(text: string): number {
  const [, digits, unit = '', binary] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i.exec(text.trim()) ?? [];
  if (digits === undefined) throw new InvalidArgumentError('It should be a size such as 500kB, 5MB or 2GiB.');
  return Math.round(Number(digits) * (binary ? 1024 : 1000) ** ' kmgt'.indexOf(unit.toLowerCase() || ' '));
}

/** Seconds of each unit of time. */
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Parses a duration in seconds: `90`, `90s`, `5m`, `2h` or `7d`; 0 means no limit. */
export function seconds(text: string): number {
  const [, digits, unit = 's'] = /^(\d+)\s*([smhdw]?)$/.exec(text.trim()) ?? [];
  const value = Number(digits) * (SECONDS[unit || 's'] ?? 1);
  if (digits === undefined || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('It should be a number of seconds, or a time such as 5m or 2h.');
  return value;
}

/** Returns a parser of hexadecimal digests of a length. */
export const digest =
  (digits: number) =>
  (text: string): string => {
    if (text.length !== digits || !/^[0-9a-f]+$/i.test(text))
      throw new InvalidArgumentError(`It should have ${digits} hexadecimal digits.`);
    return text.toLowerCase();
  };

/** Parses a media type: `image/jpeg`. */
export function mimeType(text: string): string {
  if (!/^[\w.+-]+\/[\w.+-]+$/.test(text))
    throw new InvalidArgumentError('It should be a media type such as image/jpeg.');
  return text.toLowerCase();
}
