import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fieldLines } from '../src/io/fields.js';
import { moment } from '../src/moment.js';

const zone = process.env['TZ'];
beforeEach(() => {
  process.env['TZ'] = 'America/Los_Angeles';
});
afterEach(() => {
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
});

describe('a date of an option', () => {
  it.each([
    ['2026-11-28', '2026-11-28T08:00:00.000Z'],
    ['2026-11-28 00:00', '2026-11-28T08:00:00.000Z'],
    ['2026-11', '2026-11-01T07:00:00.000Z'],
    ['2026', '2026-01-01T08:00:00.000Z'],
    ['2026-11-28T00:00Z', '2026-11-28T00:00:00.000Z'],
    ['1795824000000', '2026-11-28T00:00:00.000Z'],
  ])('%s is in the zone of the machine, with and without a time', (text, iso) => {
    expect(new Date(moment('from', text) ?? 0).toISOString()).toBe(iso);
  });

  // The clocks of this zone went back by an hour on 1 November.
  const now = new Date('2026-11-04T20:30:00.000Z');
  it.each([
    ['from', '7d', '2026-10-28T19:30:00.000Z'],
    ['from', '2 h ago', '2026-11-04T18:30:00.000Z'],
    ['from', '90s', '2026-11-04T20:28:30.000Z'],
    ['from', '1y', '2025-11-04T20:30:00.000Z'],
    ['from', 'now', '2026-11-04T20:30:00.000Z'],
    ['from', 'Yesterday', '2026-11-03T08:00:00.000Z'],
    ['to', 'yesterday', '2026-11-04T07:59:59.999Z'],
    ['to', '2026-11-03', '2026-11-04T07:59:59.999Z'],
    ['to', '2026-02', '2026-03-01T07:59:59.999Z'],
    ['to', '2025', '2026-01-01T07:59:59.999Z'],
    ['to', '2026-11-03T00:00Z', '2026-11-03T00:00:00.000Z'],
  ] as const)('--%s %s counts from now, and --to includes the whole day, month or year', (name, text, iso) => {
    expect(new Date(moment(name, text, now) ?? 0).toISOString()).toBe(iso);
  });

  it.each(['2026-02-30', '2026-13', 'soon', '7 apples', '7x', '', '-7d'])('%j is refused', (text) => {
    expect(() => moment('from', text)).toThrow(/Invalid --from/);
  });
});

describe('the time of a picture', () => {
  const line = (create_date: number, create_date_offset: number | null) =>
    fieldLines({ create_date, create_date_offset }, (text) => text, undefined)[0]?.replace(/^create_date +/, '');
  it('is shown as its file states it, in every time zone of the reader', () => {
    const utc = Date.UTC(2019, 6, 14, 12, 20, 56);
    expect(line(utc, null)).toBe('2019-07-14 12:20:56');
    expect(line(utc, 120)).toBe('2019-07-14 14:20:56 +02:00');
    expect(line(utc, -210)).toBe('2019-07-14 08:50:56 -03:30');
    expect(line(Date.UTC(1950, 0, 1), null)).toBe('1950-01-01 00:00:00');
  });
});
