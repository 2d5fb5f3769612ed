import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, hasMedia, makeVideo, mediaFile, tempDir, which } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { captureTime } from '../src/exif/capture-time.js';
import { createExifReader, type ExifReader } from '../src/exif/reader.js';
import { TagIndex } from '../src/exif/tags.js';
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

describe('capture time', () => {
  it.each([
    [{ 'EXIF:DateTimeOriginal': '2024:06:20 16:45:30' }, '2024-06-20T16:45:30', Date.UTC(2024, 5, 20, 16, 45, 30)],
    [
      {
        'EXIF:DateTimeOriginal': '2024:06:20 16:45:30',
        'EXIF:OffsetTimeOriginal': '-04:00',
        'EXIF:SubSecTimeOriginal': 5,
      },
      '2024-06-20T16:45:30.5-04:00',
      Date.UTC(2024, 5, 20, 20, 45, 30, 500),
    ],
    [
      { 'EXIF:DateTimeOriginal': '0000:00:00 00:00:00', 'EXIF:CreateDate': '2001:02:03 04:05:06' },
      '2001-02-03T04:05:06',
      Date.UTC(2001, 1, 3, 4, 5, 6),
    ],
    [
      { 'XMP:DateTimeOriginal': '2009:09:09 20:27:09.60-04:00' },
      '2009-09-09T20:27:09.60-04:00',
      Date.UTC(2009, 8, 10, 0, 27, 9, 600),
    ],
  ])('of %j', (tags, iso, milliseconds) => {
    expect(captureTime(new TagIndex(tags))).toMatchObject({ iso, milliseconds });
  });

  it('of a video is UTC by QuickTime’s rule, unless it names its zone', () => {
    const tags = { 'QuickTime:CreateDate': '2023:01:01 12:00:00' };
    expect(captureTime(new TagIndex(tags), true)).toMatchObject({
      iso: '2023-01-01T12:00:00+00:00',
      milliseconds: 1672574400000,
    });
    const zoned = { ...tags, 'QuickTime:CreationDate': '2023:01:01 17:30:00+05:30' };
    expect(captureTime(new TagIndex(zoned), true)).toMatchObject({
      iso: '2023-01-01T17:30:00+05:30',
      milliseconds: 1672574400000,
    });
  });

  it('of nothing is nothing', () => {
    expect(captureTime(new TagIndex({ 'EXIF:DateTimeOriginal': 'yesterday', 'EXIF:CreateDate': 7 }))).toBeNull();
  });
});

describe('readMediaMetadata', () => {
  it.runIf(hasMedia())('knows size as shown, time, camera and place', async () => {
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

  it.runIf(hasFfmpeg())('knows a video’s length, its size after rotation and its capture time', async () => {
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

  it('a broken file gives what can be read and says what cannot', async () => {
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

  it('without exiftool and ffprobe it says so and gives the rest', async () => {
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

  it('is one for all files, comes back when it was killed, and ends with its reader', async () => {
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

  it('reads many at once, each file its own tags, whatever is wrong with its neighbours', async () => {
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

  it('refuses more files than may wait', async () => {
    const reader = createExifReader({ maxQueue: 3 });
    fs.writeFileSync(at('a.txt'), 'a');
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => reader.read(at('a.txt'))));
    expect(results.some(({ status }) => status === 'fulfilled')).toBe(true);
    expect(results.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
    await reader.end();
  });
});
