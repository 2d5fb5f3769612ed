/** Malicious files: none is decoded, reads another file, opens a socket or ends the process. */
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import zlib from 'node:zlib';
import { hasFfmpeg, hasMedia, makeVideo, mediaFile, tempDir, which } from '@cl-server/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MediaError } from '../src/errors.js';
import { createExifReader } from '../src/exif/lazy-reader.js';
import { convertImage } from '../src/image/convert.js';
import { decodeImage } from '../src/image/decode.js';
import { imageThumbnail } from '../src/image/thumbnail.js';
import { readMediaMetadata } from '../src/metadata/media-metadata.js';
import { run } from '../src/process/run.js';
import { inputArgs, mediaInput } from '../src/video/input.js';
import { probe } from '../src/video/probe.js';

const dir = tempDir('cl-trust-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);
const look = { width: 32, keepAspect: true, format: 'jpg', quality: 80, background: '#fff' } as const;
const ffmpeg = which('ffmpeg') ?? '';
const ffprobe = which('ffprobe') ?? '';

describe.runIf(hasFfmpeg())('texts that refer ffmpeg to other sources', () => {
  let connections = 0;
  const server = net.createServer((socket) => {
    connections++;
    socket.destroy();
  });
  const texts: Record<string, () => string> = {
    'HLS to a file': () => `#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n${at('secret.mp4')}\n#EXT-X-ENDLIST\n`,
    'HLS to http': () =>
      `#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:${port()}/a.ts\n#EXT-X-ENDLIST\n`,
    'HLS to data': () => '#EXTM3U\n#EXTINF:9,\ndata:video/mp2t;base64,RwAA\n#EXT-X-ENDLIST\n',
    ffconcat: () => "ffconcat version 1.0\nfile 'secret.mp4'\n",
    SDP: () =>
      `v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video ${port()} RTP/AVP 96\r\n`,
    DASH: () =>
      `<?xml version="1.0"?><MPD type="static"><Period><BaseURL>http://127.0.0.1:${port()}/</BaseURL></Period></MPD>`,
    'image2 pattern': () => `${at('frame-%03d.png')}\n`,
    'an address': () => `http://127.0.0.1:${port()}/a.mp4`,
    'gopher child': () => `#EXTM3U\n#EXTINF:9,\ngopher://127.0.0.1:${port()}/x\n`,
  };
  const port = (): number => (server.address() as net.AddressInfo).port;
  beforeAll(async () => {
    makeVideo(at('secret.mp4'), { seconds: 1, size: '64x48' });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it.each(Object.keys(texts))(
    '%s is refused under five names, and causes no access to files or networks',
    async (what) => {
      const exif = createExifReader();
      for (const ending of ['mp4', 'jpg', 'bin', 'ts', 'm3u8']) {
        const file = at(`evil.${ending}`);
        fs.writeFileSync(file, texts[what]?.() ?? '');
        await expect(mediaInput(file)).rejects.toMatchObject({ code: 'unsupported_media' });
        await expect(decodeImage(file)).rejects.toMatchObject({ code: 'unsupported_media' });
        const metadata = await readMediaMetadata(file, { exif, ffprobe });
        expect(metadata).toMatchObject({ width: null, height: null, duration: null });
      }
      await exif.end();
      expect(connections).toBe(0);
    },
  );

  it('ffmpeg opens the address without our arguments, and nothing with them', async () => {
    const file = at('trap.mp4');
    fs.writeFileSync(file, texts['HLS to http']?.() ?? '');
    const play = (...args: string[]) =>
      run(ffmpeg, ['-v', 'error', ...args, '-f', 'null', '-'], { timeout: 10_000 }).catch(() => undefined);
    await play('-protocol_whitelist', 'file,http,tcp', '-f', 'hls', '-i', file);
    expect(connections).toBeGreaterThan(0);
    connections = 0;
    // If a playlist were ever taken for a video, the list of protocols would still protect.
    const kind = { mime: 'video/mp4', extension: 'mp4', type: 'video', demuxer: 'hls' } as const;
    await play(...inputArgs({ file, kind }));
    expect(connections).toBe(0);
  });

  it('the pinned demuxer and the list of protocols protect even with a forged kind', async () => {
    for (const [what, text] of Object.entries(texts)) {
      fs.writeFileSync(at('forged.mp4'), text());
      for (const demuxer of ['mov', 'mpegts']) {
        const kind = { mime: 'video/mp4', extension: 'mp4', type: 'video', demuxer } as const;
        const input = { file: at('forged.mp4'), kind };
        await expect(
          probe(input, { ffprobe }).then((info) => info.video ?? Promise.reject(new MediaError('invalid_input', ''))),
        ).rejects.toBeInstanceOf(MediaError);
        const { code, stdout } = await run(ffmpeg, ['-v', 'error', ...inputArgs(input), '-f', 'rawvideo', '-'], {
          timeout: 10_000,
        });
        expect([what, demuxer, code === 0 && stdout.length > 0]).toEqual([what, demuxer, false]);
      }
    }
    expect(connections).toBe(0);
  });
});

/** A PNG whose header announces more than its few bytes contain. */
function png(width: number, height: number, extra: Buffer[] = [], profile?: Buffer): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(zlib.crc32(body));
    return Buffer.concat([frame.subarray(0, 4), body, crc]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  const idat = chunk('IDAT', zlib.deflateSync(Buffer.alloc(Math.min(width * 3 + 1, 1_000_000) * 2)));
  const rest = extra.map((data) => chunk('zTXt', Buffer.concat([Buffer.from('Comment\0\0', 'latin1'), data])));
  const colour = profile ? [chunk('iCCP', Buffer.concat([Buffer.from('p\0\0', 'latin1'), profile]))] : [];
  return Buffer.concat([signature, chunk('IHDR', header), ...colour, ...rest, idat, chunk('IEND', Buffer.alloc(0))]);
}

describe('image bombs', () => {
  const jpeg65500 = (): Buffer =>
    Buffer.concat([
      Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'),
      Buffer.from('ffc0001108ffdcffdc03011100021101031101', 'hex'),
      Buffer.from('ffd9', 'hex'),
    ]);
  const gif = (frames: number): Buffer => {
    const start = Buffer.from('47494638396110271027800000ff0000000000', 'hex'); // 10000 × 10000
    const frame = Buffer.from('2c00000000010001000002024401003b', 'hex').subarray(0, 15);
    return Buffer.concat([start, ...Array.from({ length: frames }, () => frame), Buffer.from('3b', 'hex')]);
  };
  it.each([
    ['a PNG of 16k × 16k', () => png(16_384, 16_384), /at most 150 megapixels/],
    ['a PNG of 20k × 20k', () => png(20_000, 20_000), /at most 150 megapixels/],
    ['a PNG of 2^31 pixels a side', () => png(2 ** 31 - 1, 2 ** 31 - 1), /cannot be read|megapixels/],
    ['a JPEG of 65500 × 65500', jpeg65500, /cannot be read|megapixels/],
  ])('%s is refused by its header, at once and without memory', async (_, make, refusal) => {
    fs.writeFileSync(at('bomb'), make());
    await decodeImage(at('bomb')).catch(() => undefined); // warm
    const [memory, start] = [process.memoryUsage().rss, performance.now()];
    await expect(decodeImage(at('bomb'))).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(refusal),
    });
    await expect(imageThumbnail(at('bomb'), at('t.jpg'), look)).rejects.toBeInstanceOf(MediaError);
    expect(performance.now() - start).toBeLessThan(500);
    expect(process.memoryUsage().rss - memory).toBeLessThan(50 * 1024 * 1024);
  });

  it('an animation of 10,000 frames is refused as a whole', async () => {
    fs.writeFileSync(at('bomb.gif'), gif(10_000));
    const work = convertImage(at('bomb.gif'), at('t.webp'), { format: 'webp', quality: 80, maxPixels: 150_000_000 });
    await expect(work).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('a WebP with more frames than are accepted is refused by its header if all are requested', async () => {
    const pixels = { create: { width: 1, height: 2_100, channels: 3 as const, background: 'red' } };
    const rows = await sharp(pixels).raw().toBuffer();
    for (let i = 0; i < rows.length; i += 6) rows[i] = 0; // equal neighbours would become one frame
    const raw = { width: 1, height: 2_100, channels: 3 as const, pageHeight: 1 };
    await sharp(rows, { raw }).webp({ lossless: true, effort: 0 }).toFile(at('bomb.webp'));
    expect((await sharp(at('bomb.webp')).metadata()).pages).toBe(2_100);
    const start = performance.now();
    await expect(convertImage(at('bomb.webp'), at('t.gif'), { format: 'gif', quality: 80 })).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining('at most 2000 frames'),
    });
    expect(performance.now() - start).toBeLessThan(500);
  });

  it.runIf(hasMedia())('a HEIC that claims a huge size is refused by its header', async () => {
    const bytes = fs.readFileSync(mediaFile('example.heic'));
    for (let size = bytes.indexOf('ispe'); size >= 0; size = bytes.indexOf('ispe', size + 4)) {
      bytes.writeUInt32BE(60_000, size + 8);
      bytes.writeUInt32BE(60_000, size + 12);
    }
    fs.writeFileSync(at('bomb.heic'), bytes);
    const memory = process.memoryUsage().rss;
    await expect(decodeImage(at('bomb.heic'))).rejects.toMatchObject({ code: 'invalid_input' });
    expect(process.memoryUsage().rss - memory).toBeLessThan(50 * 1024 * 1024);
  });

  it('a colour profile that unpacks to a quarter of a gigabyte is omitted or refused without allocating it', async () => {
    const packed = zlib.deflateSync(Buffer.alloc(256 * 1024 * 1024), { level: 9 });
    fs.writeFileSync(at('profile.png'), png(8, 8, [], packed));
    const memory = process.memoryUsage().rss;
    const start = performance.now();
    await decodeImage(at('profile.png')).catch((error: unknown) => expect(error).toBeInstanceOf(MediaError));
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(process.memoryUsage().rss - memory).toBeLessThan(50 * 1024 * 1024);
  });

  it('a text chunk that unpacks to a gigabyte stays within limits of time and memory', async () => {
    const gigabyte = zlib.deflateSync(Buffer.alloc(256 * 1024 * 1024), { level: 9 });
    fs.writeFileSync(at('text.png'), png(8, 8, [gigabyte, gigabyte, gigabyte, gigabyte]));
    const memory = process.memoryUsage().rss;
    const exif = createExifReader({ timeout: 20_000 });
    const metadata = await readMediaMetadata(at('text.png'), { exif });
    expect(metadata).toMatchObject({ mime_type: 'image/png', width: 8 });
    // The reader of the bomb still serves the next file.
    fs.writeFileSync(at('next.txt'), 'next');
    expect(await exif.read(at('next.txt')).catch(() => exif.read(at('next.txt')))).toHaveProperty(['File:FileSize'], 4);
    await exif.end();
    expect(process.memoryUsage().rss - memory).toBeLessThan(50 * 1024 * 1024);
  });

  it('an SVG with external entities is not even parsed', async () => {
    fs.writeFileSync(at('secret.txt'), 'secret');
    const entity = `<!DOCTYPE svg [<!ENTITY x SYSTEM "file://${at('secret.txt')}">]>`;
    for (const name of ['a.svg', 'a.png', 'a.jpg']) {
      fs.writeFileSync(
        at(name),
        `<?xml version="1.0"?>${entity}<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>&x;</text></svg>`,
      );
      await expect(imageThumbnail(at(name), at('t.jpg'), look)).rejects.toMatchObject({ code: 'unsupported_media' });
      await expect(sharp(at(name)).toBuffer()).rejects.toThrow(); // not through the library either
    }
  });
});
