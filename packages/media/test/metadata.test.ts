import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, hasMedia, makeVideo, mediaFile, tempDir, which } from '@cl-server/testing';
import { exiftoolPath } from 'exiftool-vendored';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExifReader } from '../src/exif/lazy-reader.js';
import type { ExifReader } from '../src/exif/reader.js';
import { readMediaMetadata } from '../src/metadata/media-metadata.js';

const dir = tempDir('cl-metadata-');
const at = (name: string): string => path.join(dir.path, name);
let exif: ExifReader;
beforeAll(() => {
  exif = createExifReader();
});
afterAll(async () => {
  await exif.end();
  dir.remove();
});
const ffprobe = which('ffprobe');
const read = (file: string) => readMediaMetadata(file, { exif, ffprobe });

describe('readMediaMetadata', () => {
  it.runIf(hasMedia())('reads displayed size, time, camera and place', async () => {
    expect(await read(mediaFile('orientation_6.jpg'))).toMatchObject({ width: 1200, height: 1800, problems: [] });
    const nikon = await read(mediaFile('exif_gps_nikon.jpg'));
    expect(nikon).toMatchObject({
      mime_type: 'image/jpeg',
      extension: 'jpg',
      type: 'image',
      create_date: Date.UTC(2008, 9, 22, 16, 28, 39),
      camera: { make: 'NIKON', model: 'COOLPIX P6000' },
      gps: { latitude: expect.closeTo(43.4674, 3), longitude: expect.closeTo(11.8851, 3) },
      duration: null,
    });
    expect(nikon.rest['EXIF:FNumber']).toBe(5.9);
    expect(JSON.stringify(nikon)).not.toContain(path.dirname(mediaFile('x')));
  });

  it.runIf(hasFfmpeg())('reads a video’s length, its size after rotation and its capture time', async () => {
    makeVideo(at('v.mp4'), { seconds: 3, size: '64x48' });
    const tags = ['-metadata:s:v:0', 'rotate=90', '-metadata', 'creation_time=2023-01-01T12:00:00Z'];
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', at('v.mp4'), '-c', 'copy', ...tags, at('turned.mp4')]);
    expect(await read(at('turned.mp4'))).toMatchObject({
      mime_type: 'video/mp4',
      width: 48,
      height: 64,
      duration: expect.closeTo(3, 1),
      create_date: 1672574400000,
      problems: [],
    });
  });

  const withTags = async (name: string, ...tags: string[]): Promise<string> => {
    const copy = at(`tagged-${randomBytes(4).toString('hex')}${path.extname(name)}`);
    fs.copyFileSync(at(name), copy);
    execFileSync(which('perl') ?? '', [await exiftoolPath(), '-q', '-n', '-overwrite_original', ...tags, copy]);
    return copy;
  };

  it('reads the time of a picture from XMP, IPTC, GPS and the texts of a PNG, as precise as it is', async () => {
    const grey = sharp({ create: { width: 12, height: 8, channels: 3, background: '#888' } });
    await grey.jpeg().toFile(at('g.jpg'));
    await grey.png().toFile(at('g.png'));
    const iptc = ['-IPTC:DateCreated=1985:07:14'];
    const gps = ['-GPSDateStamp=2018:06:07', '-GPSTimeStamp=08:09:10'];
    const cases = [
      ['g.jpg', ['-XMP-photoshop:DateCreated=2023:04:05 12:34:56'], '2023-04-05T12:34:56', null],
      ['g.png', ['-XMP-photoshop:DateCreated=2023:04:05 12:34:56+02:00'], '2023-04-05T12:34:56+02:00', 120],
      ['g.jpg', ['-XMP-xmp:CreateDate=1962:03'], '1962-03', null],
      ['g.jpg', iptc, '1985-07-14', null],
      ['g.jpg', [...iptc, '-IPTC:TimeCreated=08:09:10-05:00'], '1985-07-14T08:09:10-05:00', -300],
      ['g.jpg', gps, '2018-06-07T08:09:10+00:00', 0],
      ['g.jpg', [...gps, '-DateTimeOriginal=2018:06:07 10:09:10'], '2018-06-07T10:09:10', null],
      ['g.png', ['-PNG:CreationTime=2023:04:05 12:34:56'], '2023-04-05T12:34:56', null],
      [
        'g.png',
        ['-EXIF:DateTimeOriginal=1969:07:20 20:17:40', '-OffsetTimeOriginal=+25:00'],
        '1969-07-20T20:17:40',
        null,
      ],
    ] as const;
    for (const [name, tags, captured_at, create_date_offset] of cases) {
      const found = await read(await withTags(name, ...tags));
      expect([tags, found]).toMatchObject([tags, { captured_at, create_date_offset }]);
      const utc = Date.parse(/T/.test(captured_at) && create_date_offset === null ? `${captured_at}Z` : captured_at);
      expect(found.create_date).toBe(utc);
    }
  });

  it.runIf(hasFfmpeg())('adds no zone to the local time of a recording, and returns no guessed time', async () => {
    const film = (name: string, ...options: string[]): string => {
      const source = ['-f', 'lavfi', '-i', 'testsrc=size=32x32:rate=5', '-t', '0.4'];
      execFileSync('ffmpeg', ['-v', 'error', '-y', ...source, ...options, at(name)]);
      return name;
    };
    const utc = ['-metadata', 'creation_time=2022-08-31T00:32:06Z'];
    const early = await withTags(film('early.mp4'), '-QuickTime:CreateDate=1950:01:02 03:04:05');
    expect(await read(early)).toMatchObject({ create_date: null, captured_at: null });
    // Other times in the file show from when it counts.
    film('later.mp4', ...utc);
    const dated = await withTags('later.mp4', '-QuickTime:CreateDate=1950:01:02 03:04:05');
    expect(await read(dated)).toMatchObject({ create_date: Date.UTC(1950, 0, 2, 3, 4, 5), create_date_offset: 0 });
    const sixties = await withTags('early.mp4', '-QuickTime:CreateDate=1969:07:20 20:17:40');
    expect(await read(sixties)).toMatchObject({ captured_at: '1969-07-20T20:17:40+00:00' });
    const cases = [
      [film('utc.mp4', ...utc), [], '2022-08-31T00:32:06+00:00', 0],
      ['utc.mp4', ['-XMP-exif:DateTimeOriginal=2025:03:29 20:14:32'], '2025-03-29T20:14:32', null],
      ['utc.mp4', ['-Keys:CreationDate=2022:08:30 20:32:06-04:00'], '2022-08-30T20:32:06-04:00', -240],
      ['utc.mp4', ['-UserData:ContentCreateDate=2021:01:02 03:04:05+01:00'], '2021-01-02T03:04:05+01:00', 60],
      ['utc.mp4', ['-ItemList:ContentCreateDate=2016'], '2022-08-31T00:32:06+00:00', 0],
      [film('zero.mp4'), ['-XMP-exif:DateTimeOriginal=2016:03:25 11:46:00'], '2016-03-25T11:46:00', null],
      ['zero.mp4', ['-ItemList:ContentCreateDate=2016'], '2016', null],
      [film('day.avi', '-metadata', 'date=2019-05-06'), undefined, '2019-05-06', null],
      [film('utc.mkv', ...utc), undefined, '2022-08-31T00:32:06+00:00', 0],
    ] as const;
    for (const [name, tags, captured_at, create_date_offset] of cases) {
      const file = tags === undefined ? at(name) : await withTags(name, ...tags);
      expect([name, tags, await read(file)]).toMatchObject([name, tags, { captured_at, create_date_offset }]);
    }
  });

  it('returns what can be read from a damaged file, and the problems', async () => {
    fs.writeFileSync(at('cut.mp4'), Buffer.from('00000018667479706d703432000000006d70343269736f6d', 'hex'));
    const cut = await read(at('cut.mp4'));
    expect(cut).toMatchObject({ mime_type: 'video/mp4', width: null, duration: null });
    expect(cut.problems.join()).toMatch(/cannot be read as video\/mp4/);
    expect(cut.problems.join()).not.toContain(dir.path);
    const noise = randomBytes(1024);
    noise.fill(0xf5, 0, 16);
    fs.writeFileSync(at('noise.jpg'), noise);
    expect(await read(at('noise.jpg'))).toMatchObject({
      mime_type: 'application/octet-stream',
      type: 'file',
      problems: [],
    });
  });

  it('reports that exiftool and ffprobe are missing, and returns the rest', async () => {
    const bare = createExifReader({ exiftool: at('absent') });
    fs.writeFileSync(at('v.mp4'), Buffer.from('00000018667479706d703432000000006d70343269736f6d', 'hex'));
    const { problems, mime_type } = await readMediaMetadata(at('v.mp4'), { exif: bare });
    expect(mime_type).toBe('video/mp4');
    expect(problems.join(' ')).toMatch(/ffprobe[\s\S]*ExifTool|ExifTool[\s\S]*ffprobe/);
    await bare.end();
  });
});

describe('the exiftool process', () => {
  const processes = (): number[] =>
    fs
      .readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid))
      .filter((pid) => {
        try {
          const [, parent] = /PPid:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
          return (
            Number(parent) === process.pid && fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('stay_open')
          );
        } catch {
          return false;
        }
      })
      .map(Number);

  it('is the same for all files, restarts after it was killed, and ends with its reader', async () => {
    const reader = createExifReader();
    fs.writeFileSync(at('a.txt'), 'a');
    const before = processes();
    const own = (): number[] => processes().filter((pid) => !before.includes(pid));
    await Promise.all(Array.from({ length: 20 }, () => reader.read(at('a.txt'))));
    const [pid = 0, ...others] = own();
    expect(others).toEqual([]);
    process.kill(pid, 'SIGKILL');
    expect(await reader.read(at('a.txt')).catch(() => reader.read(at('a.txt')))).toMatchObject({ 'File:FileSize': 1 });
    expect(own()).not.toContain(pid);
    await reader.end();
    expect(own()).toEqual([]);
    await expect(reader.read(at('a.txt'))).rejects.toThrow(/ended/);
  });

  it('reads many files at once, each with its own tags, even if others are damaged', async () => {
    const reader = createExifReader();
    const names = Array.from({ length: 20 }, (_, i) => at(`Ünï "${i}" -x.txt`));
    for (const [i, name] of names.entries()) if (i !== 7) fs.writeFileSync(name, 'x'.repeat(i + 1));
    const results = await Promise.allSettled(names.map((name) => reader.read(name)));
    for (const [i, result] of results.entries()) {
      if (i === 7) expect(result).toMatchObject({ status: 'rejected', reason: { name: 'MediaError' } });
      else expect(result).toMatchObject({ status: 'fulfilled', value: { 'File:FileSize': i + 1 } });
    }
    await reader.end();
  });

  it('refuses files beyond its queue limit', async () => {
    const reader = createExifReader({ maxQueue: 3 });
    fs.writeFileSync(at('a.txt'), 'a');
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => reader.read(at('a.txt'))));
    expect(results.some(({ status }) => status === 'fulfilled')).toBe(true);
    expect(results.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
    await reader.end();
  });
});
