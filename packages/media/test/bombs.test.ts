/** Small files that expand to much data are refused, or the work on them is bounded by their pixels. */
import fs from 'node:fs';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { hasFfmpeg, tempDir, which } from '@cl-server/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { createExifReader, decodeImage, imageHeader, imageShape, imageThumbnail, sharp } from '../src/index.js';
import { run } from '../src/process/run.js';
import { mediaInput } from '../src/video/input.js';
import { probe } from '../src/video/probe.js';

const dir = tempDir('cl-bombs-');
afterAll(() => dir.remove());
const file = (name: string, bytes: Uint8Array): string => {
  const at = path.join(dir.path, name);
  fs.writeFileSync(at, bytes);
  return at;
};

/** A bitmap with 8 bits and run lengths. */
function bitmap(width: number, height: number, runs: Buffer): Buffer {
  const head = Buffer.alloc(54 + 1024);
  head.write('BM');
  head.writeUInt32LE(head.length + runs.length, 2);
  head.writeUInt32LE(head.length, 10);
  head.writeUInt32LE(40, 14);
  head.writeInt32LE(width, 18);
  head.writeInt32LE(height, 22);
  head.writeUInt16LE(1, 26);
  head.writeUInt16LE(8, 28);
  head.writeUInt32LE(1, 30);
  head.writeUInt32LE(runs.length, 34);
  for (let colour = 0; colour < 256; colour++) head.fill(colour, 54 + colour * 4, 54 + colour * 4 + 3);
  return Buffer.concat([head, runs]);
}

describe('bitmaps with run lengths', () => {
  it('a small file cannot allocate much memory', async () => {
    const small = file('small.bmp', bitmap(12_000, 12_000, Buffer.from([255, 1, 0, 1])));
    const before = process.memoryUsage().arrayBuffers;
    await expect(decodeImage(small)).rejects.toMatchObject({ code: 'invalid_input' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
  });

  it('more runs than pixels are refused once they exceed what the picture can need', async () => {
    const runs = Buffer.alloc(60 << 20, Buffer.from([255, 1]));
    const began = performance.now();
    await expect(decodeImage(file('runs.bmp', bitmap(16, 16, runs)))).rejects.toMatchObject({ code: 'invalid_input' });
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('the runs that a picture needs are drawn, at most one row at a time', async () => {
    // Two rows of 300: 255 and 45 of one colour; then 3 stored ones, a move, and a run beyond the picture.
    const runs = Buffer.from([255, 200, 45, 100, 0, 0, 0, 3, 10, 20, 30, 0, 0, 2, 5, 0, 255, 90, 255, 90, 0, 1]);
    const { data, width, height } = await decodeImage(file('fine.bmp', bitmap(300, 2, runs)));
    const grey = (x: number, y: number): number => data[(y * width + x) * 3] ?? -1;
    expect([width, height]).toEqual([300, 2]);
    // The first row is the lowest one.
    expect([grey(0, 1), grey(254, 1), grey(255, 1), grey(299, 1)]).toEqual([200, 200, 100, 100]);
    expect([0, 1, 2, 8, 262, 299].map((x) => grey(x, 0))).toEqual([10, 20, 30, 90, 90, 90]);
  });
});

describe('compressed texts of a PNG', async () => {
  const plain = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#888' } })
    .png()
    .toBuffer();
  const chunk = (type: string, data: Buffer): Buffer => {
    const named = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, sum]);
  };
  const withTexts = (...chunks: Buffer[]): Buffer =>
    Buffer.concat([plain.subarray(0, 33), ...chunks, plain.subarray(33)]);
  const text = (bytes: number, ends = 'x'): Buffer =>
    deflateSync(Buffer.concat([Buffer.alloc(bytes, 97), Buffer.from(ends)]));
  const ztxt = (data: Buffer): Buffer => chunk('zTXt', Buffer.concat([Buffer.from('Comment\0\0'), data]));
  const itxt = (data: Buffer): Buffer =>
    chunk('iTXt', Buffer.concat([Buffer.from('XML\0\x01\0en\0\0', 'latin1'), data]));
  const iccp = (data: Buffer): Buffer => chunk('iCCP', Buffer.concat([Buffer.from('icc\0\0'), data]));
  const exif = createExifReader();
  afterAll(() => exif.end());

  it.each([
    ['one large text', withTexts(ztxt(text(40 << 20)))],
    ['one large international text', withTexts(itxt(text(40 << 20)))],
    ['a profile', withTexts(iccp(text(40 << 20)))],
    ['many texts', withTexts(...Array.from({ length: 400 }, () => ztxt(text(1 << 20))))],
    ['texts behind the picture', Buffer.concat([plain.subarray(0, -12), itxt(text(40 << 20)), plain.subarray(-12)])],
  ])('are refused before anything reads them: %s', async (name, bytes) => {
    const bomb = file(`${name}.png`, bytes);
    expect(bytes.length).toBeLessThan(500_000);
    const began = performance.now();
    const rss = process.memoryUsage().rss;
    const refused = { code: 'invalid_input', message: 'The texts in the picture unpack to more than is allowed' };
    await expect(imageHeader(bomb)).rejects.toMatchObject(refused);
    await expect(imageShape(bomb)).rejects.toMatchObject(refused);
    const thumbnail = { width: 4, keepAspect: true, format: 'png', quality: 80, background: '#ffffff' } as const;
    await expect(imageThumbnail(bomb, path.join(dir.path, 'out.png'), thumbnail)).rejects.toMatchObject(refused);
    await expect(exif.read(bomb)).rejects.toMatchObject(refused);
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(process.memoryUsage().rss - rss).toBeLessThan(150_000_000);
  });

  it('are refused if there are very many, however small they are', async () => {
    const small = chunk('tEXt', Buffer.from('k\0v'));
    const bomb = file('many.png', withTexts(Buffer.concat(Array(190_000).fill(small))));
    const began = performance.now();
    const message = 'The picture has more texts than is allowed';
    await expect(imageHeader(bomb)).rejects.toMatchObject({ code: 'invalid_input', message });
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it('of usual size are read', async () => {
    const fine = file('fine.png', withTexts(ztxt(text(200_000, ' the end')), itxt(text(20, 'XMP'))));
    expect((await imageHeader(fine)).width).toBe(8);
    expect(JSON.stringify(await exif.read(fine))).toContain('the end');
  });
});

describe.runIf(hasFfmpeg())('movies', () => {
  const [ffmpeg, ffprobe] = [which('ffmpeg') ?? '', which('ffprobe') ?? ''];
  const atom = (type: string, ...contents: readonly Buffer[]): Buffer => {
    const body = Buffer.concat(contents);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length + 8);
    return Buffer.concat([length, Buffer.from(type, 'latin1'), body]);
  };
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  /** A QuickTime movie whose header is compressed, with some bytes of padding in it. */
  async function compressedMovie(name: string, padding: number): Promise<string> {
    const plain = path.join(dir.path, 'plain.mov');
    const source = ['-f', 'lavfi', '-i', 'color=s=64x64:r=5:d=1', '-c:v', 'mjpeg', plain];
    await run(ffmpeg, ['-v', 'error', '-y', ...source], { timeout: 30_000 });
    const bytes = fs.readFileSync(plain);
    const at = bytes.indexOf('moov') - 4;
    const content = bytes.subarray(at + 8, at + bytes.readUInt32BE(at));
    const header = atom('moov', content, atom('free', Buffer.alloc(padding)));
    const packed = atom('cmvd', number(header.length), deflateSync(header, { level: 9 }));
    const movie = atom('moov', atom('cmov', atom('dcom', Buffer.from('zlib')), packed));
    return file(name, Buffer.concat([bytes.subarray(0, at), movie]));
  }

  it('with a compressed header are read if it is small, and refused if it unpacks to much', async () => {
    const fine = await mediaInput(await compressedMovie('fine.mov', 1_000));
    expect(await probe(fine, { ffprobe })).toMatchObject({ video: { width: 64 } });
    const bomb = await mediaInput(await compressedMovie('bomb.mov', 300 << 20));
    expect(fs.statSync(bomb.file).size).toBeLessThan(400_000);
    await expect(probe(bomb, { ffprobe })).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it.runIf(process.platform === 'linux')('are read by a program with a limited memory', async () => {
    const greedy = run('/bin/sh', ['-c', 'ulimit -d'], { timeout: 5_000 });
    expect(Number((await greedy).stdout.toString()) * 1024).toBeLessThanOrEqual(6 * 1024 ** 3);
    const missing = run('/nowhere/ffmpeg', [], { timeout: 5_000 });
    await expect(missing).rejects.toMatchObject({ code: 'tool_missing' });
  });
});
