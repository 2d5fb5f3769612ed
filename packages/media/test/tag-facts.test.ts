import { describe, expect, it } from 'vitest';
import { tagFacts } from '../src/exif/tag-facts.js';
import { parseTime } from '../src/exif/time-text.js';

describe('a time as files write it', () => {
  it.each([
    ['2024:06:20 16:45:30', '2024-06-20T16:45:30'],
    ['2024:06:20 16:45:30.25+05:30', '2024-06-20T16:45:30.25+05:30'],
    ['2024-06-20T16:45:30Z', '2024-06-20T16:45:30+00:00'],
    ['2019/07/14 12:20', '2019-07-14T12:20:00'],
    ['2019/07/14 12:20:56 PM', '2019-07-14T12:20:56'],
    ['2019/07/14 01:20:56 pm', '2019-07-14T13:20:56'],
    ['2019.7.4 12:20:56', '2019-07-04T12:20:56'],
    ['20190714T122056-0300', '2019-07-14T12:20:56-03:00'],
    ['20190714', '2019-07-14'],
    ['Wed, 05 Apr 2023 12:34:56 GMT', '2023-04-05T12:34:56+00:00'],
    ['5 Apr 2023 12:34:56 +0200', '2023-04-05T12:34:56+02:00'],
    ['1902:01:02 03:04:05', '1902-01-02T03:04:05'],
    ['2016:12:31 23:59:60', '2016-12-31T23:59:59'],
    ['2019:07:14 12:20:56+14:00', '2019-07-14T12:20:56+14:00'],
    ['2019:07:14 12:20:56+14:01', '2019-07-14T12:20:56'],
    ['2019:07:14 12:20:56-99:99', '2019-07-14T12:20:56'],
    ['2019:07:14 12:20:56+02:75', '2019-07-14T12:20:56'],
    ['2019:07:14 12:20:56 and so on', '2019-07-14T12:20:56'],
    ['2019:07:14 25:00:00', '2019-07-14'],
    ['2019:07:14   :  :  ', '2019-07-14'],
    ['2019:07:  ', '2019-07'],
    ['2019:07:00 00:00:00', '2019-07'],
    ['2019:00:00 00:00:00', '2019'],
    ['1985', '1985'],
    ['2024:02:29', '2024-02-29'],
    ['2023:02:29 10:00:00', undefined],
    ['2023:02:30', undefined],
    ['2023:13:01', undefined],
    ['2023:06:31 10:00:00', undefined],
    ['0000:00:00 00:00:00', undefined],
    ['    :  :     :  :  ', undefined],
    ['yesterday', undefined],
    ['7', undefined],
    ['1700000000', undefined],
    ['', undefined],
  ])('%j', (text, iso) => {
    expect(tagFacts({ 'EXIF:DateTimeOriginal': text }).captured?.iso).toBe(iso);
    expect(parseTime(text) === undefined).toBe(iso === undefined);
  });
});

describe('the time of capture', () => {
  const captured = (tags: Record<string, unknown>) => tagFacts(tags).captured;
  it.each([
    [
      'takes offset and fraction of its own date',
      {
        'EXIF:DateTimeOriginal': '2024:06:20 16:45:30',
        'EXIF:OffsetTimeOriginal': '-04:00',
        'EXIF:OffsetTime': '+01:00',
        'EXIF:SubSecTimeOriginal': 5,
      },
      '2024-06-20T16:45:30.5-04:00',
      Date.UTC(2024, 5, 20, 20, 45, 30, 500),
    ],
    [
      'keeps a date whose offset is impossible',
      { 'EXIF:DateTimeOriginal': '2024:06:20 16:45:30', 'EXIF:OffsetTimeOriginal': '+20:00' },
      '2024-06-20T16:45:30',
      Date.UTC(2024, 5, 20, 16, 45, 30),
    ],
    [
      'passes over a clock that was never set',
      { 'EXIF:DateTimeOriginal': '0000:00:00 00:00:00', 'EXIF:CreateDate': '2001:02:03 04:05:06' },
      '2001-02-03T04:05:06',
      Date.UTC(2001, 1, 3, 4, 5, 6),
    ],
    [
      'prefers the time of the picture to the time at which a program wrote the file',
      { 'EXIF:ModifyDate': '2020:01:01 00:00:00', 'IPTC:DateCreated': '1985:07:14' },
      '1985-07-14',
      Date.UTC(1985, 6, 14),
    ],
    [
      'joins day and time of IPTC',
      { 'IPTC:DateCreated': '1985:07:14', 'IPTC:TimeCreated': '12:00:00+02:00' },
      '1985-07-14T12:00:00+02:00',
      Date.UTC(1985, 6, 14, 10),
    ],
    [
      'is UTC by the rule of QuickTime',
      { 'QuickTime:CreateDate': '1961:04:12 06:07:00' },
      '1961-04-12T06:07:00+00:00',
      Date.UTC(1961, 3, 12, 6, 7),
    ],
    [
      'is local if the container says so, for any kind of file',
      { 'File:MIMEType': 'video/x-msvideo', 'RIFF:DateTimeOriginal': '2004:05:06 07:08:09' },
      '2004-05-06T07:08:09',
      Date.UTC(2004, 4, 6, 7, 8, 9),
    ],
    ['can be read from a number', { 'XMP:DateCreated': 1985 }, '1985', Date.UTC(1985, 0, 1)],
  ] as const)('%s', (_what, tags, iso, milliseconds) => {
    expect(captured(tags)).toMatchObject({ iso, milliseconds });
  });

  it('is absent without tags', () => {
    expect(captured({ 'EXIF:DateTimeOriginal': 'yesterday', 'EXIF:CreateDate': 7 })).toBeNull();
  });

  it('ignores times before 1970 that ExifTool guessed', () => {
    const guessed = {
      'ExifTool:Warning': '[minor] Patched incorrect time zero for QuickTime date/time tag [x6]',
      'QuickTime:CreateDate': '2016:01:01 12:00:00',
      'QuickTime:MediaModifyDate': '2016:01:01 12:00:00',
    };
    expect(captured(guessed)).toBeNull();
    expect(captured({ ...guessed, 'XMP:DateTimeOriginal': '1950:01:01' })).toMatchObject({ iso: '1950-01-01' });
  });
});

describe('the place', () => {
  it('is absent if ExifTool composed 0 from an undefined coordinate', () => {
    const half = { 'EXIF:GPSLatitude': '', 'Composite:GPSLatitude': 0 };
    const west = { 'EXIF:GPSLongitude': 70.5, 'EXIF:GPSLongitudeRef': 'W', 'Composite:GPSLongitude': -70.5 };
    expect(tagFacts({ ...half, ...west }).place).toBeNull();
    expect(tagFacts({ ...half, ...west, 'XMP:GPSLatitude': -33.5 }).place).toEqual({
      latitude: -33.5,
      longitude: -70.5,
    });
    expect(tagFacts({ 'Composite:GPSLatitude': 0, 'Composite:GPSLongitude': -70.5 }).place).not.toBeNull();
  });

  const place = (latitude: unknown, longitude: unknown, north: unknown = 'N', east: unknown = 'E') =>
    tagFacts({
      'EXIF:GPSLatitude': latitude,
      'EXIF:GPSLongitude': longitude,
      'EXIF:GPSLatitudeRef': north,
      'EXIF:GPSLongitudeRef': east,
    }).place;
  it.each([
    [[33.45, 70.667, 's', 'w'], { latitude: -33.45, longitude: -70.667 }],
    [[33.45, 70.667, 'South', ' West'], { latitude: -33.45, longitude: -70.667 }],
    [[-33.45, 70.667, 'S', 'E'], { latitude: -33.45, longitude: 70.667 }],
    [[33.45, 70.667, undefined, undefined], { latitude: 33.45, longitude: 70.667 }],
    [[0, 100], { latitude: 0, longitude: 100 }],
    [[0, 0], null],
    [[Number.NaN, 12], null],
    [['undef', 12], null],
    [['', 12], null],
    [[91, 12], null],
    [[45, 181], null],
    [[45, undefined], null],
  ] as const)('of %j is %j', (given, expected) => {
    expect(place(...(given as unknown as Parameters<typeof place>))).toEqual(expected);
  });
});
