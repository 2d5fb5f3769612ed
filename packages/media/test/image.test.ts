import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, hasMedia, mediaFile, tempDir } from '@cl-server/testing';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { MediaError } from '../src/errors.js';
import { decodeBmp, readBmpHeader } from '../src/image/bmp-decode.js';
import { encodeBmp } from '../src/image/bmp-encode.js';
import { decodeImage } from '../src/image/decode.js';
import { imageHeader } from '../src/image/header.js';
import { fromPixels } from '../src/image/open.js';
import { thumbnailSize } from '../src/image/size.js';

const dir = tempDir('cl-image-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);

describe('thumbnailSize', () => {
  const side = fc.integer({ min: 1, max: 20_000 });
  it('is never empty and never larger than the source for any request', () => {
    fc.assert(
      fc.property(side, side, fc.option(side), fc.option(side), fc.boolean(), (w, h, width, height, keepAspect) => {
        const made = thumbnailSize({ width: w, height: h }, { width, height, keepAspect });
        expect(Number.isInteger(made.width) && Number.isInteger(made.height)).toBe(true);
        expect(made.width >= 1 && made.width <= w && made.height >= 1 && made.height <= h).toBe(true);
        if (width) expect(made.width).toBeLessThanOrEqual(width);
        if (height) expect(made.height).toBeLessThanOrEqual(height);
      }),
    );
  });

  it('keeps the aspect ratio within a pixel', () => {
    fc.assert(
      fc.property(side, side, side, (w, h, width) => {
        const made = thumbnailSize({ width: w, height: h }, { width, keepAspect: true });
        expect(Math.abs(made.height - Math.max(1, (made.width * h) / w))).toBeLessThan(1);
      }),
    );
  });
});

describe('decodeImage', () => {
  it('returns three bytes per pixel in the requested size, with transparency on the background', async () => {
    await sharp({ create: { width: 30, height: 20, channels: 4, background: '#0000' } })
      .png()
      .toFile(at('clear.png'));
    const image = await decodeImage(at('clear.png'), { width: 6, height: 6, background: '#102030' });
    expect(image).toMatchObject({ width: 6, height: 6, original: { width: 30, height: 20 } });
    expect(image.data.length).toBe(108);
    expect([...image.data.subarray(105)]).toEqual([0x10, 0x20, 0x30]);
  });

  it('rotates the picture upright before it crops', async () => {
    const halves = Buffer.alloc(4 * 2 * 3);
    halves.fill(255, 0, 12); // the upper row is white
    const raw = { width: 4, height: 2, channels: 3 as const };
    await sharp(halves, { raw }).png().withMetadata({ orientation: 6 }).toFile(at('turned.png'));
    const { data, ...image } = await decodeImage(at('turned.png'));
    expect(image).toMatchObject({ width: 2, height: 4 });
    expect([...data.subarray(0, 6)]).toEqual([0, 0, 0, 255, 255, 255]);
  });

  it('enlarges only on request', async () => {
    await sharp({ create: { width: 3, height: 2, channels: 3, background: 'red' } })
      .png()
      .toFile(at('tiny.png'));
    expect(await decodeImage(at('tiny.png'), { width: 9, height: 9 })).toMatchObject({ width: 9, height: 9 });
    expect(await decodeImage(at('tiny.png'), { width: 9, height: 9, fit: 'inside' })).toMatchObject({
      width: 3,
      height: 2,
    });
  });

  it.runIf(hasMedia())('decodes HEIC outside the event loop', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 5);
    try {
      const image = await decodeImage(mediaFile('example.heic'), { width: 64, height: 64, fit: 'cover' });
      expect(image).toMatchObject({ width: 64, height: 64, original: { width: 1280, height: 854 } });
      expect(new Set(image.data).size).toBeGreaterThan(50);
      expect(turns).toBeGreaterThan(5);
    } finally {
      clearInterval(timer);
    }
  });
});

describe('pixels decoded elsewhere', () => {
  const data = Uint8Array.from([
    255, 0, 0, 255, 0, 200, 0, 128, 10, 20, 30, 255, 0, 0, 255, 255, 9, 9, 9, 0, 1, 2, 3, 255,
  ]);
  const decoded = { width: 3, height: 2, data };
  const srgbOf = async (image: Sharp) => [...(await image.toColourspace('srgb').raw().toBuffer())];

  it('keep their values if they have no profile', async () => {
    expect(await srgbOf(fromPixels(decoded, undefined, 100))).toEqual([...data]);
  });

  it('keep their profile in a conversion, or are converted from it if the target has none', async () => {
    const source = sharp({ create: { width: 1, height: 1, channels: 3, background: 'red' } }).withIccProfile('p3');
    const { icc } = await sharp(await source.png().toBuffer()).metadata();
    const image = fromPixels(decoded, icc, 100);
    const kept = sharp(await image.clone().keepIccProfile().png().toBuffer());
    expect(await kept.metadata()).toMatchObject({ width: 3, height: 2, hasAlpha: true, icc });
    // The same numbers are another green in P3 than in sRGB.
    const [red = [], green = []] = [0, 4].map((at) => [...data.subarray(at, at + 4)]);
    const converted = await srgbOf(image);
    expect(converted.slice(0, 4)).toEqual(red); // the deepest that there is
    expect(converted.slice(4, 8)).not.toEqual(green);
    expect(converted[5]).toBeGreaterThan(200);
    expect(converted[7]).toBe(128);
  });
});

describe('encodeBmp', () => {
  it('writes pixels and padded rows that ffmpeg reads back exactly', async () => {
    for (const channels of [3, 4] as const) {
      const pixels = Uint8Array.from({ length: 5 * 3 * channels }, (_, i) => (i * 37) % 256);
      fs.writeFileSync(at('a.bmp'), encodeBmp(pixels, 5, 3, channels));
      const format = channels === 3 ? 'rgb24' : 'rgba';
      const args = ['-v', 'error', '-f', 'bmp_pipe', '-i', at('a.bmp'), '-f', 'rawvideo', '-pix_fmt', format, '-'];
      expect(new Uint8Array(execFileSync('ffmpeg', args))).toEqual(pixels);
    }
  });
});

describe('bitmaps as input', () => {
  const pixels = Uint8Array.from({ length: 7 * 5 * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 53) % 256));
  const ffmpeg = (...args: string[]): Buffer => execFileSync('ffmpeg', ['-v', 'error', '-y', ...args]);
  const rgba = ['-f', 'rawvideo', '-pix_fmt', 'rgba'];

  it.runIf(hasFfmpeg()).each(['bgr24', 'bgra', 'rgb565le', 'rgb555le', 'rgb8', 'pal8', 'gray', 'monob'])(
    '%s: the pixels are the same as from ffmpeg',
    (format) => {
      fs.writeFileSync(at('a.rgba'), pixels);
      const source = ['-f', 'rawvideo', '-pix_fmt', 'rgba', '-s', '7x5', '-i', at('a.rgba')];
      const made = format === 'pal8' ? ['-vf', 'split[a][b];[a]palettegen[p];[b][p]paletteuse'] : ['-pix_fmt', format];
      ffmpeg(...source, ...made, '-c:v', 'bmp', '-f', 'image2', at('a.bmp'));
      const { width, height, data } = decodeBmp(fs.readFileSync(at('a.bmp')));
      expect([width, height]).toEqual([7, 5]);
      const expected = ffmpeg('-f', 'bmp_pipe', '-i', at('a.bmp'), ...rgba, '-');
      const off = expected.map((value, i) => Math.abs(value - (data[i] ?? -99)));
      expect(Math.max(...off)).toBeLessThan(9); // ffmpeg widens 5 bits by repeating them
    },
  );

  it('this server reads the bitmaps that it writes', async () => {
    fs.writeFileSync(at('own.bmp'), encodeBmp(pixels, 7, 5, 4));
    expect(await imageHeader(at('own.bmp'))).toMatchObject({ width: 7, height: 5, hasAlpha: true, isBitmap: true });
    expect(new Uint8Array(decodeBmp(fs.readFileSync(at('own.bmp'))).data)).toEqual(pixels);
    const { data } = await decodeImage(at('own.bmp'), { width: 7, height: 5 });
    expect([...data.subarray(0, 3)]).toEqual([...pixels.subarray(0, 3)]);
  });

  /** A bitmap of 4 × 2 pixels with a palette of four greys and run lengths. */
  const runs = (...codes: number[]): Buffer => {
    const file = Buffer.alloc(54 + 16);
    file.write('BM');
    for (const [at, value] of [
      [10, 70],
      [14, 40],
      [18, 4],
      [22, 2],
      [30, 1],
      [46, 4],
    ] as const)
      file.writeUInt32LE(value, at);
    file.writeUInt16LE(8, 28);
    for (let i = 0; i < 4; i++) file.fill(i * 10, 54 + i * 4, 57 + i * 4);
    return Buffer.concat([file, Buffer.from(codes)]);
  };
  const reds = (file: Buffer): number[] => [...decodeBmp(file).data].filter((_, i) => i % 4 === 0);

  it('run lengths: runs, stored pixels, moves, and runs beyond the picture', () => {
    expect(reds(runs(2, 1, 0, 2, 1, 0, 1, 3, 0, 0, 0, 4, 3, 2, 1, 0, 0, 1))).toEqual([30, 20, 10, 0, 10, 10, 0, 30]);
    expect(reds(runs(255, 2, 0, 0, 255, 9, 0, 1))).toEqual([30, 30, 30, 30, 20, 20, 20, 20]);
    expect(reds(runs(0, 2, 255, 255, 9, 9, 4))).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('an empty, a huge and an unknown bitmap are refused with a sentence', async () => {
    const whole = encodeBmp(pixels, 7, 5, 4);
    fs.writeFileSync(at('cut.bmp'), whole.subarray(0, whole.length - 7 * 5 * 4));
    await expect(decodeImage(at('cut.bmp'))).rejects.toThrow(/cut off/);
    const vast = Buffer.from(whole);
    vast.writeInt32LE(200_000, 18);
    vast.writeInt32LE(-200_000, 22);
    fs.writeFileSync(at('vast.bmp'), vast);
    await expect(decodeImage(at('vast.bmp'))).rejects.toThrow(/at most 150 megapixels/);
    const jpeg = Buffer.from(whole);
    jpeg.writeUInt32LE(4, 30);
    fs.writeFileSync(at('jpeg.bmp'), jpeg);
    await expect(decodeImage(at('jpeg.bmp'))).rejects.toMatchObject({ code: 'unsupported_media' });
  });

  it('any bytes give pixels or a typed error', () => {
    const whole = encodeBmp(pixels, 7, 5, 4);
    const change = fc.tuple(fc.nat(Math.min(whole.length - 1, 80)), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), fc.nat(whole.length), (changes, length) => {
        const file = Buffer.from(whole.subarray(0, length));
        for (const [at, value] of changes) if (at < file.length) file[at] = value;
        try {
          const { width, height } = readBmpHeader(file);
          if (width * height > 1e6) return;
          expect(decodeBmp(file).data.length).toBe(width * height * 4);
        } catch (error) {
          expect(error).toBeInstanceOf(MediaError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
