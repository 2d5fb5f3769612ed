import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, hasMedia, mediaFile, tempDir, which } from '@cl-server/testing';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convertImage } from '../src/image/convert.js';
import { decodeImage } from '../src/image/decode.js';
import { imageThumbnail } from '../src/image/thumbnail.js';
import { sniffFile } from '../src/sniff/sniff.js';

const dir = tempDir('cl-damaged-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);

const WIDTH = 200;
const HEIGHT = 160;
/** A picture without two equal rows; its seeded texture keeps every format from compressing it to nothing. */
function pixels(): Buffer {
  const data = Buffer.alloc(WIDTH * HEIGHT * 3);
  let seed = 7;
  for (let i = 0; i < data.length; i++) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    const x = Math.floor(i / 3) % WIDTH;
    const y = Math.floor(i / 3 / WIDTH);
    data[i] = 40 + ((x * (1 + (i % 3)) + y * 2) % 160) + ((seed >> 16) % 24);
  }
  return data;
}
const picture = (): Sharp => sharp(pixels(), { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });

/** How each format is written, and the allowed difference between the readable rows and those of the whole picture. */
const FORMATS: Readonly<Record<string, (image: Sharp) => Sharp>> = {
  'jpeg.jpg': (image) => image.jpeg({ quality: 90 }),
  'progressive.jpg': (image) => image.jpeg({ quality: 90, progressive: true }),
  'plain.png': (image) => image.png(),
  'interlaced.png': (image) => image.png({ progressive: true }),
  'deep.png': (image) => image.toColourspace('rgb16').png({ progressive: true }),
  'lossy.webp': (image) => image.webp({ quality: 90 }),
  'lossless.webp': (image) => image.webp({ lossless: true }),
  'one.gif': (image) => image.gif(),
};

const files = new Map<string, Buffer>();
beforeAll(async () => {
  for (const [name, write] of Object.entries(FORMATS)) files.set(name, await write(picture()).toBuffer());
});
const bytesOf = (name: string): Buffer => files.get(name) ?? Buffer.alloc(0);

/** Mean difference of the first rows. */
function difference(a: Uint8Array, b: Uint8Array, rows: number): number {
  let sum = 0;
  for (let i = 0; i < rows * WIDTH * 3; i++) sum += Math.abs((a[i] ?? 0) - (b[i] ?? 0));
  return sum / (rows * WIDTH * 3);
}

describe('a damaged picture', () => {
  for (const name of Object.keys(FORMATS))
    it(`is shown as far as it can be read, with a remark: ${name}`, async () => {
      const whole = bytesOf(name);
      fs.writeFileSync(at(name), whole);
      const intact = await decodeImage(at(name));
      expect(intact.damage).toBeNull();
      for (const part of [0.4, 0.75, 0.97]) {
        fs.writeFileSync(at(`cut-${name}`), whole.subarray(0, Math.floor(whole.length * part)));
        const shown = await decodeImage(at(`cut-${name}`));
        expect(shown, `${part}`).toMatchObject({ width: WIDTH, height: HEIGHT });
        expect(shown.damage, `${part}`).toMatch(/^The picture is damaged and is shown as far as it can be read/);
        expect(shown.damage).not.toContain(dir.path);
        // Interlaced and progressive files store scans of the whole picture one after the other: its first rows are
        // coarse.
        const coarse = name.startsWith('progressive') || name.startsWith('interlaced') || name.startsWith('deep');
        const rows = Math.floor(HEIGHT * part * 0.5);
        expect(difference(shown.data, intact.data, rows), `${part}`).toBeLessThan(coarse ? 30 : 2);
      }
    });

  it.runIf(hasFfmpeg())('is shown as far as it can be read, with a remark, and upright: AVIF', async () => {
    const ffmpeg = which('ffmpeg');
    const write = async (name: string, image: Sharp): Promise<Buffer> => {
      const bytes = await image.avif({ quality: 90, effort: 2 }).toBuffer();
      fs.writeFileSync(at(name), bytes);
      return bytes;
    };
    const whole = await write('whole.avif', picture());
    const intact = await decodeImage(at('whole.avif'), { ffmpeg });
    expect(intact.damage).toBeNull();
    for (const part of [0.5, 0.75, 0.97]) {
      fs.writeFileSync(at('cut.avif'), whole.subarray(0, Math.floor(whole.length * part)));
      const shown = await decodeImage(at('cut.avif'), { ffmpeg });
      expect(shown, `${part}`).toMatchObject({ width: WIDTH, height: HEIGHT });
      expect(shown.damage, `${part}`).toMatch(/^The picture is damaged and is shown as far as it can be read/);
      // The decoder works on blocks of 64 rows and guesses what lies beside the first missing byte.
      expect(difference(shown.data, intact.data, part === 0.5 ? 20 : 64), `${part}`).toBeLessThan(4);
    }
    await expect(decodeImage(at('cut.avif'), {}), 'without ffmpeg').rejects.toThrow(/cannot be decoded/);

    // `irot` gives the number of rotations to the left; here it replaces the property of the depth.
    const turned = Buffer.from(whole.subarray(0, Math.floor(whole.length * 0.75)));
    const pixi = turned.indexOf('pixi');
    turned.write('irot', pixi, 'latin1');
    turned[pixi + 4] = 1;
    fs.writeFileSync(at('turned.avif'), turned);
    const shown = await decodeImage(at('turned.avif'), { ffmpeg });
    expect(shown).toMatchObject({
      width: HEIGHT,
      height: WIDTH,
      damage: expect.stringMatching(/^The picture is damaged/),
    });
    // The first column from the bottom up is the first row from the left.
    const row = (x: number): Uint8Array => intact.data.subarray(x * 3, x * 3 + 3);
    const column = (x: number): Uint8Array => shown.data.subarray((WIDTH - 1 - x) * HEIGHT * 3).subarray(0, 3);
    for (const x of [0, 50, 150])
      expect([...column(x)].map((v, c) => Math.abs(v - (row(x)[c] ?? 0))).every((d) => d < 30)).toBe(true);
  });

  it('is refused with the reason if its pixels cannot be located: a TIFF without its directory', async () => {
    const whole = await picture().tiff({ compression: 'lzw' }).toBuffer();
    fs.writeFileSync(at('cut.tiff'), whole.subarray(0, whole.length / 2));
    expect(await sniffFile(at('cut.tiff'))).toMatchObject({ mime: 'image/tiff', type: 'image' });
    await expect(decodeImage(at('cut.tiff'))).rejects.toThrow('The TIFF is cut off: its directory');
  });

  it('is shown up to its first wrong byte if the decoder stops there: WebP', async () => {
    const whole = bytesOf('lossless.webp');
    fs.writeFileSync(at('whole.webp'), whole);
    const intact = await decodeImage(at('whole.webp'));
    let stopped = 0;
    for (let part = 0.4; part < 0.8; part += 0.04) {
      const wrong = Buffer.from(whole);
      const place = Math.floor(whole.length * part);
      for (let byte = place; byte < place + 8; byte++) wrong[byte] = (wrong[byte] ?? 0) ^ 0x5a;
      fs.writeFileSync(at('wrong.webp'), wrong);
      const shown = await decodeImage(at('wrong.webp'));
      if (shown.damage !== null) stopped += 1;
      expect(difference(shown.data, intact.data, Math.floor(HEIGHT * (part - 0.1))), `${part}`).toBe(0);
    }
    expect(stopped).toBeGreaterThan(0);
  });

  it('is shown even if it fits into one piece: a small PNG', async () => {
    // libpng reads pieces of 8 kB, and returns nothing from a truncated one.
    const side = 64;
    const dots = Buffer.from(Array.from({ length: side * side }, (_, i) => ((i % side) * 4 + (i >> 6)) % 256));
    const whole = await sharp(dots, { raw: { width: side, height: side, channels: 1 } })
      .png()
      .toBuffer();
    fs.writeFileSync(at('small.png'), whole.subarray(0, whole.length - 60));
    const shown = await decodeImage(at('small.png'));
    expect(shown.damage).toMatch(/damaged/);
    for (const place of [0, 1, side * 4 + 9]) expect(shown.data[place * 3]).toBe(dots[place]);
  });

  it('is shown by thumbnails and conversions, which report the fault', async () => {
    fs.writeFileSync(at('half.jpg'), bytesOf('jpeg.jpg').subarray(0, bytesOf('jpeg.jpg').length / 2));
    const look = { format: 'png', quality: 80, background: '#ffffff', width: 64, keepAspect: true } as const;
    const small = await imageThumbnail(at('half.jpg'), at('small.png'), look);
    expect(small).toMatchObject({ width: 64, damage: expect.stringMatching(/premature end/) });
    for (const format of ['webp', 'bmp', 'gif'] as const) {
      const made = await convertImage(at('half.jpg'), at(`made.${format}`), { format, quality: 80 });
      expect(made).toMatchObject({ width: WIDTH, height: HEIGHT, damage: expect.stringMatching(/premature end/) });
    }
  });

  it('is shown if bytes in its middle are wrong', async () => {
    const png = Buffer.from(bytesOf('plain.png'));
    const middle = Math.floor(png.length / 2);
    png.fill(0x55, middle, middle + 50);
    fs.writeFileSync(at('wrong.png'), png);
    const shown = await decodeImage(at('wrong.png'));
    expect(shown.damage).toMatch(/damaged/);
    expect(difference(shown.data, pixels(), Math.floor(HEIGHT * 0.4))).toBe(0);
  });

  it.runIf(hasMedia())('is shown if hundreds of restart markers are missing', async () => {
    const whole = fs.readFileSync(mediaFile('face_biden_1.jpg'));
    const size = { width: 100, height: 200 };
    const { data: intact } = await decodeImage(mediaFile('face_biden_1.jpg'), size);
    for (const part of [0.1, 0.5, 0.9]) {
      fs.writeFileSync(at('restarts.jpg'), whole.subarray(0, Math.floor(whole.length * part)));
      const { data, damage } = await decodeImage(at('restarts.jpg'), size);
      expect(damage).toMatch(/premature end/);
      // Bytes are not spread evenly over the rows, so only the first third of the readable part is compared.
      const upper = Math.floor((size.height * part) / 3) * size.width * 3;
      const sum = data.subarray(0, upper).reduce((total, value, i) => total + Math.abs(value - (intact[i] ?? 0)), 0);
      expect(sum / upper, `${part}`).toBeLessThan(part < 0.2 ? 10 : 1);
    }
  });

  it('is shown if it is a bitmap whose last rows are missing', async () => {
    const bmp = Buffer.alloc(54 + 4 * 3 * 4, 200);
    bmp.write('BM');
    for (const [offset, value] of [[10, 54], [14, 40], [18, 4], [22, 4]] as const) bmp.writeUInt32LE(value, offset); // biome-ignore format: a table
    bmp.writeUInt16LE(1, 26);
    bmp.writeUInt16LE(24, 28);
    bmp.writeUInt32LE(0, 30);
    bmp.writeUInt32LE(0, 46);
    fs.writeFileSync(at('cut.bmp'), bmp.subarray(0, 54 + 30));
    const { data, damage } = await decodeImage(at('cut.bmp'));
    expect(damage).toMatch(/the bitmap is cut off/);
    expect([data[0], data.at(-1)]).toEqual([0, 200]); // the bottom row is stored first
  });

  it('keeps the existing frames of an animation', async () => {
    const frames = Buffer.concat([pixels(), pixels().reverse(), pixels()]);
    const raw = { width: WIDTH, height: HEIGHT * 3, channels: 3 as const, pageHeight: HEIGHT };
    const gif = await sharp(frames, { raw })
      .gif({ delay: [50, 50, 50] })
      .toBuffer();
    fs.writeFileSync(at('moving.gif'), gif.subarray(0, gif.length * 0.5));
    const made = await convertImage(at('moving.gif'), at('moving.webp'), { format: 'webp', quality: 80 });
    expect(made).toMatchObject({ width: WIDTH, height: HEIGHT, damage: expect.stringMatching(/damaged/) });
  });

  it.each(['gif', 'webp'] as const)(
    'keeps the frames of an animation before one with wrong bytes: %s',
    async (format) => {
      // Each frame has a seeded texture of its own and few bytes, so that the frames are stored one after the other.
      const count = 4;
      const frames = Buffer.concat(Array.from({ length: count }, (_, n) => pixels().map((value) => value ^ (n * 16))));
      const raw = { width: WIDTH, height: HEIGHT * count, channels: 3 as const, pageHeight: HEIGHT };
      const film = sharp(frames, { raw });
      const delay = Array.from({ length: count }, () => 50);
      const whole = await (format === 'gif' ? film.gif({ delay }) : film.webp({ delay, lossless: true })).toBuffer();
      const convert = async (name: string, bytes: Buffer) => {
        fs.writeFileSync(at(name), bytes);
        const made = await convertImage(at(name), at(`${name}.webp`), { format: 'webp', quality: 80 });
        return { ...made, pages: (await sharp(at(`${name}.webp`)).metadata()).pages ?? 1 };
      };
      const intact = await convert(`intact.${format}`, whole);
      expect(intact).toMatchObject({ pages: count, damage: null });

      const cut = await convert(`cut.${format}`, whole.subarray(0, Math.floor(whole.length * 0.6)));
      expect(cut).toMatchObject({ width: WIDTH, height: HEIGHT, damage: expect.stringMatching(/damaged/) });
      expect(cut.pages).toBeGreaterThanOrEqual(2);

      const wrong = Buffer.from(whole);
      const from = Math.floor(whole.length * 0.6);
      // The first byte of a block of GIF's codes, and the beginning of a lossless frame of WebP.
      wrong.fill(0xff, from, from + 400);
      const shown = await convert(`wrong.${format}`, wrong);
      expect(shown).toMatchObject({ width: WIDTH, height: HEIGHT });
      expect(shown.pages).toBeGreaterThanOrEqual(2);
    },
  );

  it('fails if not a single pixel can be read', async () => {
    const jpeg = bytesOf('jpeg.jpg');
    const scan = jpeg.indexOf(Buffer.from([0xff, 0xda])) + 14;
    fs.writeFileSync(at('header.jpg'), jpeg.subarray(0, scan));
    await expect(decodeImage(at('header.jpg'))).rejects.toMatchObject({ code: 'invalid_input' });
    const png = bytesOf('plain.png');
    fs.writeFileSync(at('header.png'), png.subarray(0, png.indexOf('IDAT') + 6));
    await expect(decodeImage(at('header.png'))).rejects.toMatchObject({ code: 'invalid_input' });
  });
});
