import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { distance } from '@cl-server/contract';
import { parseParams } from '@cl-server/task-kit';
import { runTask, type TaskRunOptions } from '@cl-server/task-kit/testing';
import { hasFfmpeg, hasMedia, makeVideo, mediaFile, tempDir } from '@cl-server/testing';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import task from '../src/hash/task.js';

const dir = tempDir('cl-hash-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);
/** Makes eight seconds of changing pictures with a key frame every two seconds. */
const makeFilm = (file: string): void => {
  const source = 'mandelbrot=size=160x120:rate=25:end_pts=120';
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50', '-pix_fmt', 'yuv420p'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', source, '-t', '8', ...x264, file]);
};
const remux = (from: string, to: string, ...args: string[]): void => {
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', from, '-c', 'copy', ...args, to]);
};
const hashOf = async (file: NonNullable<TaskRunOptions['file']>) => {
  using run = await runTask(task, { file });
  return run.output;
};

describe('hash', () => {
  it('H1: completes, and the digests are those of the bytes', async () => {
    using run = await runTask(task, { file: { name: 'a.txt', content: 'hello world' }, params: { algorithm: 'md5' } });
    expect(run.output).toMatchObject({
      media_type: 'text',
      algorithm: 'md5',
      hash_value: '5eb63bbbe01eeed093cb22bb8f5acdc3',
      md5: '5eb63bbbe01eeed093cb22bb8f5acdc3',
      sha256: 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9',
      sha512: createHash('sha512').update('hello world').digest('hex'),
      size: 11,
      phash: null,
      frames: [],
      perceptual_error: null,
    });
    expect(run.output.process_time).toBeGreaterThanOrEqual(0);
    expect(JSON.parse(run.read('output/hash.json').toString())).toEqual(run.output);
  });

  it('an empty file and an address have digests, too', async () => {
    expect(await hashOf({ name: 'x', content: '' })).toMatchObject({
      md5: 'd41d8cd98f00b204e9800998ecf8427e',
      media_type: 'file',
    });
    expect(await hashOf({ name: 'x', content: 'https://example.org/a?b=1' })).toMatchObject({ media_type: 'url' });
  });

  it('supports md5, sha256 and sha512, which is the default, and no other algorithm', () => {
    expect(parseParams(task, {}).data?.['algorithm']).toBe('sha512');
    for (const algorithm of ['md4', 'MD5', 'sha1']) expect(parseParams(task, { algorithm }).success).toBe(false);
  });

  it('H13: two pictures with the same bytes in different shapes have different hashes; a re-encoded picture has a similar one', async () => {
    const wave = Buffer.from(Array.from({ length: 96 * 64 * 3 }, (_, i) => 128 + 100 * Math.sin(i / 700) + (i % 50)));
    const shaped = (width: number, height: number) => sharp(wave, { raw: { width, height, channels: 3 } });
    await shaped(96, 64).png().toFile(at('wide.png'));
    await shaped(64, 96).png().toFile(at('tall.png'));
    await shaped(96, 64).jpeg({ quality: 60 }).toFile(at('wide.jpg'));
    const [wide, tall, jpeg] = [
      await hashOf(at('wide.png')),
      await hashOf(at('tall.png')),
      await hashOf(at('wide.jpg')),
    ];
    expect(distance(wide.phash ?? '', tall.phash ?? '')).toBeGreaterThan(12);
    expect(distance(wide.phash ?? '', jpeg.phash ?? '')).toBeLessThanOrEqual(4);
  });

  it('a picture that cannot be decoded has digests and the reason why it has no perceptual hash', async () => {
    await sharp({ create: { width: 300, height: 300, channels: 3, background: 'red' } })
      .jpeg()
      .toFile(at('whole.jpg'));
    const content = fs.readFileSync(at('whole.jpg')).subarray(0, 250);
    const output = await hashOf({ name: 'cut.jpg', content });
    expect(output).toMatchObject({ media_type: 'image', phash: null, pdq: null, size: 250 });
    expect(output.md5).toBe(createHash('md5').update(content).digest('hex'));
    expect(output.perceptual_error).toMatch(/cannot be (read|decoded)/);
    expect(output.perceptual_error).not.toContain('/');
  });

  describe.runIf(hasFfmpeg())('of a video', () => {
    it.each([
      ['with its index at the end', []],
      ['made for streaming', ['faststart']],
    ])('H14: %s is hashed by frames spread over its whole length', async (_, flags) => {
      const file = makeVideo(at('v.mp4'), { seconds: 4, size: '160x120' });
      if (flags.length > 0) {
        remux(file, at('f.mp4'), '-movflags', '+faststart');
      }
      const output = await hashOf(flags.length > 0 ? at('f.mp4') : file);
      expect(output).toMatchObject({ media_type: 'video', algorithm: 'sha512_generic', perceptual_error: null });
      expect(output.frames.map(({ time }) => time)).toEqual([0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75]);
      expect(new Set(output.frames.map(({ phash }) => phash)).size).toBeGreaterThan(1);
    });

    it('the same film in MPEG-TS, in which seeking is inexact, has the same frames', async () => {
      makeFilm(at('film.mp4'));
      remux(at('film.mp4'), at('film.ts'));
      const [mp4, ts] = [await hashOf(at('film.mp4')), await hashOf(at('film.ts'))];
      expect(ts.frames).toHaveLength(8);
      for (const [i, frame] of ts.frames.entries()) {
        expect(Math.abs(frame.time - (mp4.frames[i]?.time ?? 0))).toBeLessThan(0.1);
        expect(distance(frame.phash, mp4.frames[i]?.phash ?? ''), `frame ${i}`).toBeLessThanOrEqual(6);
      }
      expect(new Set(ts.frames.map(({ phash }) => phash)).size).toBe(8);
    });

    it('a recording whose header has no length has eight frames, too', async () => {
      const args = ['-v', 'error', '-i', makeVideo(at('v.mp4'), { seconds: 4 }), '-c', 'copy', '-f', 'matroska', '-'];
      const { frames } = await hashOf({ name: 'piped.mkv', content: execFileSync('ffmpeg', args) });
      for (const [i, { time }] of frames.entries()) expect(time).toBeCloseTo(0.25 + i / 2, 1);
      expect(frames).toHaveLength(8);
    });

    it('after the end of a truncated film, frames repeat the last one with its time', async () => {
      makeFilm(at('film.mp4'));
      remux(at('film.mp4'), at('film.mkv'));
      const bytes = fs.readFileSync(at('film.mkv'));
      const { frames } = await hashOf({ name: 'cut.mkv', content: bytes.subarray(0, bytes.length / 2) });
      const times = frames.map(({ time }) => time);
      expect(times.slice(0, 2)).toEqual([0.5, 1.5]);
      expect(Math.max(...times)).toBeLessThan(6);
      expect(new Set(times.slice(-2)).size).toBe(1);
      expect(frames.at(-1)?.phash).not.toBe(frames[0]?.phash);
    });
  });

  describe.runIf(hasMedia())('on real photos', () => {
    const photos = [
      'cat.png',
      'coffee.png',
      'rocket.jpg',
      'face_astronaut.png',
      'face_obama_1.jpg',
      'face_obama_2.jpg',
      'face_biden_1.jpg',
      'orientation_1.jpg',
      'exif_gps_nikon.jpg',
      'example.avif',
      'example.heic',
    ];

    it('the same photo re-encoded, scaled down or in grey differs in at most 10 of 64 bits; other photos differ in more than 20', async () => {
      const originals = new Map<string, string>();
      for (const name of photos) originals.set(name, (await hashOf(mediaFile(name))).phash ?? '');
      for (const [name, phash] of originals) {
        if (name.endsWith('.heic')) continue;
        const { width } = await sharp(mediaFile(name)).metadata();
        const image = () => sharp(mediaFile(name)).autoOrient().flatten({ background: '#fff' });
        const copies = {
          'jpeg 50': image().jpeg({ quality: 50 }),
          'a quarter': image()
            .resize(Math.round(width / 4))
            .png(),
          webp: image().webp(),
          grey: image().greyscale().png(),
        };
        for (const [what, copy] of Object.entries(copies)) {
          const output = await hashOf({ name: 'copy', content: await copy.toBuffer() });
          expect(distance(phash, output.phash ?? ''), `${name} as ${what}`).toBeLessThanOrEqual(10);
        }
      }
      const list = [...originals];
      for (const [i, [a, left]] of list.entries())
        for (const [b, right] of list.slice(i + 1)) expect(distance(left, right), `${a} and ${b}`).toBeGreaterThan(20);
    });

    it('H15: eight orientations of one photo have the same hash', async () => {
      const { phash: first } = await hashOf(mediaFile('orientation_1.jpg'));
      for (let i = 2; i <= 8; i++) {
        const { phash } = await hashOf(mediaFile(`orientation_${i}.jpg`));
        expect(distance(first ?? '', phash ?? '')).toBeLessThanOrEqual(2); // they were encoded one by one
      }
    });
  });
});
