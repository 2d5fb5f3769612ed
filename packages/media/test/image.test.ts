import fs from 'node:fs';
import path from 'node:path';
import { hasMedia, mediaFile, tempDir } from '@cl-server/testing';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeBmp } from '../src/image/bmp.js';
import { decodeImage } from '../src/image/decode.js';
import { thumbnailSize } from '../src/image/size.js';

const dir = tempDir('cl-image-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);

describe('thumbnailSize', () => {
  const side = fc.integer({ min: 1, max: 20_000 });
  it('is never empty and never larger than the source, whatever is asked', () => {
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

  it('keeps the aspect within a pixel', () => {
    fc.assert(
      fc.property(side, side, side, (w, h, width) => {
        const made = thumbnailSize({ width: w, height: h }, { width, keepAspect: true });
        expect(Math.abs(made.height - Math.max(1, (made.width * h) / w))).toBeLessThan(1);
      }),
    );
  });
});

describe('decodeImage', () => {
  it('gives three bytes a pixel of the asked size, transparency on the background', async () => {
    await sharp({ create: { width: 30, height: 20, channels: 4, background: '#0000' } })
      .png()
      .toFile(at('clear.png'));
    const image = await decodeImage(at('clear.png'), { width: 6, height: 6, background: '#102030' });
    expect(image).toMatchObject({ width: 6, height: 6, original: { width: 30, height: 20 } });
    expect(image.data.length).toBe(108);
    expect([...image.data.subarray(105)]).toEqual([0x10, 0x20, 0x30]);
  });

  it('turns the picture upright before it is cut', async () => {
    const halves = Buffer.alloc(4 * 2 * 3);
    halves.fill(255, 0, 12); // the upper row is white
    const raw = { width: 4, height: 2, channels: 3 as const };
    await sharp(halves, { raw }).png().withMetadata({ orientation: 6 }).toFile(at('turned.png'));
    const { data, ...image } = await decodeImage(at('turned.png'));
    expect(image).toMatchObject({ width: 2, height: 4 });
    expect([...data.subarray(0, 6)]).toEqual([0, 0, 0, 255, 255, 255]);
  });

  it('enlarges only where it is told to', async () => {
    await sharp({ create: { width: 3, height: 2, channels: 3, background: 'red' } })
      .png()
      .toFile(at('tiny.png'));
    expect(await decodeImage(at('tiny.png'), { width: 9, height: 9 })).toMatchObject({ width: 9, height: 9 });
    expect(await decodeImage(at('tiny.png'), { width: 9, height: 9, fit: 'inside' })).toMatchObject({
      width: 3,
      height: 2,
    });
  });

  it.runIf(hasMedia())('decodes HEIC apart from the event loop', async () => {
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

describe('encodeBmp', () => {
  it('writes what ffmpeg reads back pixel by pixel, rows padded', async () => {
    const { execFileSync } = await import('node:child_process');
    for (const channels of [3, 4] as const) {
      const pixels = Uint8Array.from({ length: 5 * 3 * channels }, (_, i) => (i * 37) % 256);
      fs.writeFileSync(at('a.bmp'), encodeBmp(pixels, 5, 3, channels));
      const format = channels === 3 ? 'rgb24' : 'rgba';
      const args = ['-v', 'error', '-f', 'bmp_pipe', '-i', at('a.bmp'), '-f', 'rawvideo', '-pix_fmt', format, '-'];
      expect(new Uint8Array(execFileSync('ffmpeg', args))).toEqual(pixels);
    }
  });
});
