/** Uncommon formats: raw files, sequences, scientific TIFFs, Photoshop, JPEG 2000, JPEG XL, odd containers. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, tempDir, which } from '@cl-server/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convertImage } from '../src/image/convert.js';
import { decodeImage } from '../src/image/decode.js';
import { imageHeader } from '../src/image/header.js';
import { imageThumbnail } from '../src/image/thumbnail.js';
import { sniffFile } from '../src/sniff/sniff.js';

const dir = tempDir('cl-formats-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);
const ffmpeg = (...args: string[]) => execFileSync('ffmpeg', ['-v', 'error', '-y', ...args]);
const look = { format: 'png', quality: 80, background: '#ffffff', keepAspect: true } as const;

type Value = number | string | readonly number[];
/** Entries of a directory: tag, type (2 text, 3 short, 4 long), value. */
type Entries = readonly (readonly [tag: number, type: 2 | 3 | 4, value: Value])[];

/** A TIFF structure with some directories, the first one first; `after` follows them. */
function tiff(directories: (place: (i: number) => number, after: number) => readonly Entries[], after: Buffer): Buffer {
  const SIZE = 512;
  const count = directories(() => 0, 0).length;
  const end = 8 + count * SIZE;
  const out = Buffer.alloc(end);
  out.write('II*\0', 'latin1');
  out.writeUInt32LE(8, 4);
  for (const [i, entries] of directories((n) => 8 + n * SIZE, end).entries()) {
    const start = 8 + i * SIZE;
    let heap = start + 2 + entries.length * 12 + 4;
    out.writeUInt16LE(entries.length, start);
    for (const [n, [tag, type, value]] of entries.entries()) {
      const entry = start + 2 + n * 12;
      const bytes = type === 2 ? Buffer.from(`${value}\0`, 'latin1') : Buffer.alloc([value].flat().length * (type === 3 ? 2 : 4)); // biome-ignore format: one value
      for (const [k, number] of type === 2 ? [] : [value].flat().entries())
        if (type === 3) bytes.writeUInt16LE(Number(number), k * 2);
        else bytes.writeUInt32LE(Number(number), k * 4);
      out.writeUInt16LE(tag, entry);
      out.writeUInt16LE(type, entry + 2);
      out.writeUInt32LE(type === 2 ? bytes.length : [value].flat().length, entry + 4);
      if (bytes.length <= 4) bytes.copy(out, entry + 8);
      else {
        out.writeUInt32LE(heap, entry + 8);
        bytes.copy(out, heap);
        heap += bytes.length;
      }
    }
  }
  return Buffer.concat([out, after]);
}

const jpegOf = (width: number, height: number, background = '#c02020'): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .jpeg()
    .toBuffer();

/** A raw file like those of cameras: a thumbnail in the first directory, previews and sensor data below it. */
async function raw(make: string, isDng: boolean, orientation = 1): Promise<Buffer> {
  const [small, large] = [await jpegOf(160, 120, '#20c020'), await jpegOf(1200, 800)];
  const sensor = Buffer.alloc(1000, 77);
  return tiff(
    (place, after) => [
      [
        [0xfe, 4, 1], [0x100, 4, 16], [0x101, 4, 16], [0x103, 3, 1], [0x106, 3, 2], [0x10f, 2, make], [0x112, 3, orientation],
        [0x14a, 4, [place(1), place(2), place(3)]], ...(isDng ? ([[0xc612, 4, 0x401]] as const) : []),
      ], // biome-ignore format: a table
      [
        [0xfe, 4, 1],
        [0x103, 3, 6],
        [0x201, 4, after],
        [0x202, 4, small.length],
      ],
      [
        [0xfe, 4, 1],
        [0x103, 3, 7],
        [0x106, 3, 6],
        [0x111, 4, after + small.length],
        [0x117, 4, large.length],
      ],
      [[0xfe, 4, 0], [0x100, 4, 4000], [0x101, 4, 3000], [0x103, 3, 1], [0x106, 3, 32_803], [0x111, 4, after + small.length + large.length], [0x117, 4, sensor.length]], // biome-ignore format: a table
    ],
    Buffer.concat([small, large, sensor]),
  );
}

describe('a raw file of a camera', () => {
  it.each([
    ['Google', true, 'image/x-adobe-dng', 'dng'],
    ['NIKON CORPORATION', false, 'image/x-nikon-nef', 'nef'],
    ['SONY', false, 'image/x-sony-arw', 'arw'],
    ['PENTAX', false, 'image/x-pentax-pef', 'pef'],
  ] as const)('is recognized and shown by its largest preview: %s', async (make, isDng, mime, extension) => {
    fs.writeFileSync(at('photo'), await raw(make, isDng));
    expect(await sniffFile(at('photo'))).toMatchObject({ mime, extension, type: 'image' });
    expect(await imageHeader(at('photo'))).toMatchObject({ width: 1200, height: 800 });
    const { data } = await decodeImage(at('photo'), { width: 30, height: 20 });
    expect(data[0]).toBeGreaterThan(150);
    expect(data[1]).toBeLessThan(60);
  });

  it('is rotated by its own orientation, which its preview lacks', async () => {
    fs.writeFileSync(at('turned.dng'), await raw('Canon', true, 6));
    expect(await imageHeader(at('turned.dng'))).toMatchObject({ width: 800, height: 1200, orientation: 6 });
    expect(await decodeImage(at('turned.dng'))).toMatchObject({ width: 800, height: 1200 });
  });

  it('is read if it is a RAF, whose header locates its preview', async () => {
    const jpeg = await jpegOf(900, 600);
    const header = Buffer.alloc(160);
    header.write('FUJIFILMCCD-RAW 0201', 'latin1');
    header.writeUInt32BE(160, 84);
    header.writeUInt32BE(jpeg.length, 88);
    fs.writeFileSync(at('photo.raf'), Buffer.concat([header, jpeg]));
    expect(await sniffFile(at('photo.raf'))).toMatchObject({ mime: 'image/x-fujifilm-raf', type: 'image' });
    expect(await imageHeader(at('photo.raf'))).toMatchObject({ width: 900, height: 600 });
  });

  it('is refused with the name of its format if it has no preview; loops and invalid offsets do no harm', async () => {
    const wild = tiff((place) => [[[0x10f, 2, 'NIKON'], [0x106, 3, 32_803], [0x14a, 4, [place(0), 4_000_000_000]]]], Buffer.alloc(9)); // biome-ignore format: a table
    fs.writeFileSync(at('wild.nef'), wild);
    await expect(imageHeader(at('wild.nef'))).rejects.toMatchObject({
      code: 'unsupported_media',
      message: expect.stringMatching(/^The NEF file has no preview/),
    });
  });

  it('does not include the TIFF of a scanner', async () => {
    const plain = tiff(
      () => [
        [
          [0x100, 4, 4],
          [0x101, 4, 4],
          [0x106, 3, 2],
          [0x10f, 2, 'NIKON'],
        ],
      ],
      Buffer.alloc(9),
    );
    fs.writeFileSync(at('scan.tif'), plain);
    expect(await sniffFile(at('scan.tif'))).toMatchObject({ mime: 'image/tiff' });
  });
});

/** An uncompressed TIFF with one strip. @param format 1 integers, 3 floats */
function strip(
  width: number,
  height: number,
  samples: number,
  bits: number,
  format: 1 | 3,
  extra: number[],
  data: Buffer,
) {
  return tiff(
    (_, after) => [
      [
        [0x100, 4, width], [0x101, 4, height], [0x102, 3, Array<number>(samples).fill(bits)], [0x103, 3, 1],
        [0x106, 3, samples < 3 ? 1 : 2], [0x111, 4, after], [0x115, 3, samples], [0x116, 4, height], [0x117, 4, data.length],
        ...(extra.length > 0 ? ([[0x152, 3, extra]] as const) : []), [0x153, 3, Array<number>(samples).fill(format)],
      ], // biome-ignore format: a table
    ],
    data,
  );
}

describe('a scientific TIFF', () => {
  it.each([
    ['between 0 and 1', 1, 0],
    ['beyond bytes', 4000, -1000],
  ])('shows floats %s from black to white', async (_, factor, offset) => {
    const data = Buffer.alloc(64 * 8 * 4);
    for (let i = 0; i < 64 * 8; i++) data.writeFloatLE(((i % 64) / 63) * factor + offset, i * 4);
    fs.writeFileSync(at('float.tif'), strip(64, 8, 1, 32, 3, [], data));
    const shown = await decodeImage(at('float.tif'));
    expect([shown.data[0], shown.data[32 * 3], shown.data[63 * 3]]).toEqual([0, expect.closeTo(129, -1), 255]);
    expect(await imageThumbnail(at('float.tif'), at('float.png'), { ...look, width: 32 })).toMatchObject({ width: 32 });
  });

  it.each([5, 7])('omits samples beyond transparency: %i per pixel', async (samples) => {
    const data = Buffer.alloc(40 * 20 * samples);
    for (let i = 0; i < data.length; i++) data[i] = [200, 100, 50, 255, 9, 9, 9][i % samples] ?? 0;
    fs.writeFileSync(at('bands.tif'), strip(40, 20, samples, 8, 1, [2, ...Array<number>(samples - 4).fill(0)], data));
    expect([...(await decodeImage(at('bands.tif'), { width: 10, height: 5 })).data.subarray(0, 3)]).toEqual([
      200, 100, 50,
    ]);
    const made = await convertImage(at('bands.tif'), at('bands.png'), { format: 'png', quality: 80 });
    expect(made).toMatchObject({ width: 40, height: 20 });
  });
});

describe('a picture over the pixel limit', () => {
  it('is shrunk while it loads if it is a JPEG and the result is small enough', async () => {
    fs.writeFileSync(at('large.jpg'), await jpegOf(2000, 1000));
    const limits = { maxPixels: 500_000 };
    expect(await imageThumbnail(at('large.jpg'), at('l.png'), { ...look, ...limits, width: 200 })).toMatchObject({
      width: 200,
    });
    expect(await decodeImage(at('large.jpg'), { ...limits, width: 100, height: 100 })).toMatchObject({ width: 100 });
    await expect(decodeImage(at('large.jpg'), limits)).rejects.toThrow(/at most 0 megapixels|megapixels are accepted/);
    await expect(imageThumbnail(at('large.jpg'), at('l.png'), { ...look, width: 200, maxPixels: 200_000 })).rejects.toThrow(/accepted/); // biome-ignore format: one call
    const progressive = await sharp(await jpegOf(2000, 1000))
      .jpeg({ progressive: true })
      .toBuffer();
    fs.writeFileSync(at('progressive.jpg'), progressive);
    await expect(decodeImage(at('progressive.jpg'), { ...limits, width: 100, height: 100 })).rejects.toThrow(
      /accepted/,
    );
  });

  it('is judged by the requested result if it is an animation', async () => {
    const frames = Buffer.alloc(100 * 100 * 30 * 3);
    for (let i = 0; i < frames.length; i++) frames[i] = (Math.floor(i / 30_000) * 8 + i) % 256;
    const image = sharp(frames, { raw: { width: 100, height: 3000, channels: 3, pageHeight: 100 } });
    await image.gif({ delay: Array<number>(30).fill(40) }).toFile(at('long.gif'));
    const options = { format: 'webp', quality: 50, maxPixels: 100_000 } as const;
    const made = await convertImage(at('long.gif'), at('long.webp'), { ...options, width: 50 });
    expect(made).toMatchObject({ width: 50, height: 50, frames: 30 });
    await expect(convertImage(at('long.gif'), at('long.webp'), options)).rejects.toThrow(/ask for a smaller result/);
    await expect(
      convertImage(at('long.gif'), at('l.webp'), { ...options, width: 5, maxPixels: 15_000 }),
    ).rejects.toThrow(/ask for/);
  });
});

describe.runIf(hasFfmpeg())('formats that need ffmpeg', () => {
  const source = ['-f', 'lavfi', '-i', 'color=c=0xc02020:size=64x48:rate=10', '-frames:v', '1'];
  beforeAll(() => {
    ffmpeg(...source, '-c:v', 'libopenjpeg', at('a.jp2'));
    ffmpeg(...source, '-pix_fmt', 'rgb24', '-c:v', 'libjxl', at('a.jxl'));
    const psd = Buffer.alloc(26 + 12 + 2 + 64 * 48 * 3, 0x20);
    psd.fill(0, 0, 40);
    psd.write('8BPS', 'latin1');
    psd.writeUInt16BE(1, 4);
    psd.writeUInt16BE(3, 12);
    psd.writeUInt32BE(48, 14);
    psd.writeUInt32BE(64, 18);
    psd.writeUInt16BE(8, 22);
    psd.writeUInt16BE(3, 24);
    psd.fill(0xc0, 40, 40 + 64 * 48);
    fs.writeFileSync(at('a.psd'), psd);
    ffmpeg(
      '-f',
      'lavfi',
      '-i',
      'testsrc2=size=64x48:rate=5',
      '-t',
      '1',
      '-c:v',
      'libaom-av1',
      '-cpu-used',
      '8',
      at('moving.avif'),
    );
    ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=5', '-t', '1', '-c:v', 'mjpeg', at('a.mov'));
    ffmpeg('-f', 'lavfi', '-i', 'sine=duration=1', '-c:a', 'aac', at('sound.mp4'));
  });

  it.each(['a.psd', 'a.jp2', 'a.jxl'])('shows %s, and names its format if ffmpeg is missing', async (name) => {
    expect(await imageHeader(at(name))).toMatchObject({ width: 64, height: 48 });
    const { data, damage } = await decodeImage(at(name), { width: 8, height: 6, ffmpeg: which('ffmpeg') });
    expect(damage).toBeNull();
    expect([data[0], data[1], data[2]].map((value) => Math.round((value ?? 0) / 16))).toEqual([12, 2, 2]);
    await expect(decodeImage(at(name))).rejects.toThrow(/^(Photoshop|JPEG 2000|JPEG XL) pictures need ffmpeg/);
    await expect(decodeImage(at(name), { maxPixels: 100 })).rejects.toThrow(/accepted/);
  });

  it('show the first picture of an AVIF sequence', async () => {
    expect(fs.readFileSync(at('moving.avif')).toString('latin1', 8, 12)).toBe('avis');
    expect(await decodeImage(at('moving.avif'))).toMatchObject({ width: 64, height: 48, damage: null });
  });

  it.each(['skip', 'free', 'wide', 'pnot'])('include QuickTime that begins with %s', async (atom) => {
    const file = fs.readFileSync(at('a.mov'));
    file.write(atom, 4, 'latin1');
    fs.writeFileSync(at('odd.mov'), file);
    expect(await sniffFile(at('odd.mov'))).toMatchObject({ mime: 'video/quicktime', demuxer: 'mov', type: 'video' });
  });

  it('do not include text that looks like QuickTime', async () => {
    fs.writeFileSync(at('text'), '    skip and so on');
    expect(await sniffFile(at('text'))).toMatchObject({ mime: 'text/plain' });
  });

  it('include songs: an MP4 that contains only sound', async () => {
    expect(await sniffFile(at('sound.mp4'))).toMatchObject({ mime: 'audio/mp4', type: 'audio', extension: 'm4a' });
  });
});
