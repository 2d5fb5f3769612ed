import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { parseParams } from '@cl-server/task-kit';
import { runTask } from '@cl-server/task-kit/testing';
import { hasFfmpeg, hasMedia, makeVideo, mediaFile, tempDir } from '@cl-server/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import task from '../src/media_thumbnail/task.js';

const dir = tempDir('cl-thumbnail-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);
const image = (width: number, height: number, channels: 3 | 4 = 3, alpha = 1) =>
  sharp({ create: { width, height, channels, background: { r: 200, g: 30, b: 30, alpha } } });
const size = async (file: string, params: Record<string, unknown>) => {
  using run = await runTask(task, { file, params });
  const { width, height, format } = await sharp(run.read(run.output.output_path)).metadata();
  expect([width, height]).toEqual([run.output.width, run.output.height]);
  expect(run.read(run.output.output_path).length).toBe(run.output.size);
  return { media_type: run.output.media_type, size: `${width}x${height}`, format };
};

describe('media_thumbnail of an image', () => {
  beforeAll(() => image(800, 600).jpeg().toFile(at('photo.jpg')));

  // The size rules that existing clients know, with the aspect ratio kept by default.
  it.each([
    [{}, '256x192'],
    [{ maintain_aspect_ratio: false }, '256x256'],
    [{ width: 200 }, '200x150'],
    [{ height: 150 }, '200x150'],
    [{ width: 200, height: 150 }, '200x150'],
    [{ width: 200, height: 200 }, '200x150'],
    [{ width: 10_000 }, '800x600'],
    [{ width: 300, height: 900 }, '300x225'],
    [{ width: 200, height: 50, maintain_aspect_ratio: false }, '200x50'],
    [{ width: 200, maintain_aspect_ratio: false }, '200x200'],
    [{ width: 1200, height: 300, maintain_aspect_ratio: false }, '800x300'],
  ])('H2: 800x600 with %j is %s', async (params, expected) => {
    expect(await size(at('photo.jpg'), params)).toEqual({ media_type: 'image', size: expected, format: 'jpeg' });
  });

  it.each([
    ['RGBA', () => image(64, 48, 4, 0.5).png()],
    ['grey', () => image(64, 48).toColourspace('b-w').png()],
    ['grey with alpha', () => image(64, 48, 4, 0.5).toColourspace('b-w').png()],
    ['a palette', () => image(64, 48, 4, 0.5).png({ palette: true })],
    ['16 bits', () => image(64, 48).toColourspace('rgb16').png()],
    ['CMYK', () => image(64, 48).toColourspace('cmyk').jpeg()],
    ['GIF', () => image(64, 48).gif()],
    ['TIFF', () => image(64, 48).tiff()],
    ['WebP', () => image(64, 48).webp()],
    ['AVIF', () => image(64, 48).avif({ effort: 0 })],
  ])('%s becomes an sRGB JPEG', async (_, make) => {
    await make().toFile(at('source'));
    expect(await size(at('source'), { width: 32 })).toMatchObject({ size: '32x24', format: 'jpeg' });
  });

  it('a line of 2000 × 2 pixels has a thumbnail with a height', async () => {
    await image(2000, 2).png().toFile(at('line.png'));
    expect((await size(at('line.png'), { width: 100 })).size).toBe('100x1');
  });

  it.each(['webp', 'avif', 'png'])('%s on request', async (format) => {
    using run = await runTask(task, { file: at('photo.jpg'), params: { width: 40, format } });
    expect(run.output).toMatchObject({ output_path: `output/thumbnail.${format}`, mime_type: `image/${format}` });
  });

  it('a drawing, a text and an empty size are refused with a sentence', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>';
    await expect(runTask(task, { file: { name: 'a.png', content: svg } })).rejects.toMatchObject({
      code: 'unsupported_media',
    });
    await expect(runTask(task, { file: { name: 'a.jpg', content: 'words' } })).rejects.toThrow(
      'Unsupported media type: text. Only image, video and audio are supported.',
    );
    for (const width of ['0', '-3', 'x']) expect(parseParams(task, { width }).success).toBe(false);
  });

  it.runIf(hasMedia())('H15: eight orientations give one upright picture', async () => {
    const pictures: Buffer[] = [];
    for (let i = 1; i <= 8; i++) {
      using run = await runTask(task, { file: mediaFile(`orientation_${i}.jpg`), params: { width: 120 } });
      expect(run.output).toMatchObject({ width: 120, height: 180 });
      pictures.push(await sharp(run.read('output/thumbnail.jpg')).raw().toBuffer());
    }
    const [first = Buffer.alloc(0)] = pictures;
    for (const other of pictures) {
      const difference = first.reduce((sum, value, i) => sum + Math.abs(value - (other[i] ?? 0)), 0) / first.length;
      expect(difference).toBeLessThan(6);
    }
  });

  it.runIf(hasMedia())(
    'HEIC and AVIF are accepted, and a truncated JPEG fails with a reason that contains no path',
    async () => {
      expect((await size(mediaFile('example.heic'), { width: 128 })).size).toBe('128x85');
      expect((await size(mediaFile('example.avif'), { width: 128 })).size).toBe('128x85');
      await expect(runTask(task, { file: mediaFile('bad_truncated.jpg') })).rejects.toMatchObject({
        code: 'invalid_input',
        message: expect.not.stringMatching(/\/\w+\//),
      });
    },
  );
});

describe.runIf(hasFfmpeg())('media_thumbnail of a recording', () => {
  beforeAll(() => {
    makeVideo(at('wide.mp4'), { seconds: 4, size: '640x360' });
  });

  it.each([
    [{}, '256x144'],
    [{ width: 300 }, '300x169'],
    [{ height: 200 }, '356x200'],
    [{ width: 301 }, '301x169'],
    [{ width: 9000 }, '640x360'],
  ])('H3: a 16:9 video with %j is %s', async (params, expected) => {
    expect(await size(at('wide.mp4'), params)).toEqual({ media_type: 'video', size: expected, format: 'jpeg' });
  });

  it('a sheet shows sixteen frames of the whole length, with an index of their times', async () => {
    using run = await runTask(task, { file: at('wide.mp4'), params: { width: 80, sheet: true } });
    const { sheet } = run.output;
    expect(sheet).toMatchObject({
      columns: 4,
      rows: 4,
      cell_width: 80,
      cell_height: 45,
      output_path: 'output/sheet.jpg',
    });
    expect(sheet?.times).toHaveLength(16);
    expect([sheet?.times[0], sheet?.times[15]]).toEqual([0.125, 3.875]);
    expect(await sharp(run.read('output/sheet.jpg')).metadata()).toMatchObject({ width: 320, height: 180 });
    const index = run.read('output/sheet.vtt').toString();
    expect(index).toMatch(/^WEBVTT\n\n00:00:00\.000 --> 00:00:00\.250\nsheet\.jpg#xywh=0,0,80,45\n/);
    expect(index).toContain('00:00:03.750 --> 00:00:04.000\nsheet.jpg#xywh=240,135,80,45');
    // The test picture moves, so no two cells are equal, and none is black.
    const cells = await Promise.all(
      [0, 5, 10, 15].map((i) =>
        sharp(run.read('output/sheet.jpg'))
          .extract({ left: (i % 4) * 80, top: Math.floor(i / 4) * 45, width: 80, height: 45 })
          .raw()
          .toBuffer(),
      ),
    );
    expect(new Set(cells.map((cell) => cell.toString('base64'))).size).toBe(4);
  });

  it('a sheet of MPEG-TS shows the same frames as one of the same film in MP4', async () => {
    const film = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=8', '-c:v', 'libx264', '-g', '50'];
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...film, '-pix_fmt', 'yuv420p', at('film.mp4')]);
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', at('film.mp4'), '-c', 'copy', at('film.ts')]);
    const sheets = [];
    for (const name of ['film.mp4', 'film.ts']) {
      using run = await runTask(task, { file: at(name), params: { width: 80, sheet: true, format: 'png' } });
      expect(run.output.time).toBeGreaterThanOrEqual(0.8);
      expect(run.output.time).toBeLessThan(1.8);
      sheets.push({ pixels: await sharp(run.read('output/sheet.png')).raw().toBuffer(), ...run.output.sheet });
    }
    const [mp4, ts] = sheets;
    for (const [i, time] of ts?.times?.entries() ?? []) expect(time).toBeCloseTo(mp4?.times?.[i] ?? -1, 1);
    const differences = mp4?.pixels.map((value, i) => Math.abs(value - (ts?.pixels[i] ?? 0)));
    expect((differences?.reduce((sum, value) => sum + value, 0) ?? 0) / (mp4?.pixels.length ?? 1)).toBeLessThan(4);
  });

  it('a sheet of a recording whose header has no length shows its whole length', async () => {
    const args = ['-v', 'error', '-i', at('wide.mp4'), '-c:v', 'libvpx', '-deadline', 'realtime', '-f', 'webm', '-'];
    const file = { name: 'recorded.webm', content: execFileSync('ffmpeg', args, { maxBuffer: 100_000_000 }) };
    using run = await runTask(task, { file, params: { width: 80, sheet: true } });
    const times = run.output.sheet?.times ?? [];
    expect(times).toHaveLength(16);
    for (const [i, time] of times.entries()) expect(time).toBeCloseTo(0.125 + i / 4, 1);
    expect(run.read('output/sheet.vtt').toString()).toMatch(/00:00:03\.7\d\d --> 00:00:0[34]\.\d{3}\n/);
  });

  it('a video taken in portrait orientation is upright', async () => {
    execFileSync('ffmpeg', [
      '-v',
      'error',
      '-y',
      '-i',
      at('wide.mp4'),
      '-c',
      'copy',
      '-metadata:s:v:0',
      'rotate=90',
      at('up.mp4'),
    ]);
    expect((await size(at('up.mp4'), { width: 90 })).size).toBe('90x160');
  });

  it('a song shows its cover, and fails with the reason if it has none', async () => {
    await image(120, 100).jpeg().toFile(at('cover.jpg'));
    const tone = ['-f', 'lavfi', '-i', 'sine=duration=1'];
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...tone, at('bare.mp3')]);
    const cover = ['-i', at('cover.jpg'), '-map', '0', '-map', '1', '-c:v', 'copy', '-disposition:v', 'attached_pic'];
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', at('bare.mp3'), ...cover, '-c:a', 'copy', at('song.mp3')]);
    expect(await size(at('song.mp3'), { width: 60 })).toEqual({ media_type: 'audio', size: '60x50', format: 'jpeg' });
    await expect(runTask(task, { file: at('bare.mp3') })).rejects.toMatchObject({ code: 'unsupported_media' });
  });
});
