import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, tempDir } from '@cl-server/testing';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { sniffFile, sniffHead } from '../src/sniff/sniff.js';

const dir = tempDir('cl-sniff-');
afterAll(() => dir.remove());
const picture = () => sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } });

describe('sniffing', () => {
  it.each([
    ['nothing', '', 'application/x-empty', 'file', 'bin'],
    ['words', 'hello\nworld', 'text/plain', 'text', 'txt'],
    ['words of another script', 'grüße 你好', 'text/plain', 'text', 'txt'],
    ['words that begin like a bitmap', 'BMW is a maker of cars and of motor cycles.', 'text/plain', 'text', 'txt'],
    ['an address', '  https://example.org/a%20b?q=1#x \t', 'text/plain', 'url', 'txt'],
    ['two addresses', 'https://example.org\nhttps://example.org', 'text/plain', 'text', 'txt'],
    ['an address of another scheme', 'ftp://example.org', 'text/plain', 'text', 'txt'],
    ['JSON', '{"a":[1]}', 'application/json', 'file', 'json'],
    ['HTML', '<!DOCTYPE html><p>x', 'text/html', 'text', 'html'],
    ['XML', '<?xml version="1.0"?><a/>', 'text/xml', 'text', 'xml'],
    ['SVG', '<svg xmlns="http://www.w3.org/2000/svg"/>', 'image/svg+xml', 'image', 'svg'],
    [
      'SVG after a prologue',
      '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "b">]><!-- x --><svg:svg/>',
      'image/svg+xml',
      'image',
      'svg',
    ],
    ['an HLS playlist', '#EXTM3U\n#EXTINF:1,\na.ts', 'application/vnd.apple.mpegurl', 'file', 'm3u8'],
    ['a DASH manifest', '<?xml version="1.0"?><MPD/>', 'application/dash+xml', 'file', 'mpd'],
    ['a session description', 'v=0\r\no=- 0 0 IN IP4 127.0.0.1', 'application/sdp', 'file', 'sdp'],
    ['a concat list', "ffconcat version 1.0\nfile 'x'", 'text/plain', 'text', 'txt'],
    ['bytes', '\u0000\u0001\u0002', 'application/octet-stream', 'file', 'bin'],
  ])('%s', async (_, content, mime, type, extension) => {
    const kind = await sniffHead(Buffer.from(content));
    expect(kind).toMatchObject({ mime, type, extension });
    expect(kind.demuxer).toBeUndefined();
  });

  it('identifies images by their content, with any name', async () => {
    const file = path.join(dir.path, 'x.mp4');
    for (const [format, mime, extension] of [
      ['jpeg', 'image/jpeg', 'jpg'],
      ['png', 'image/png', 'png'],
      ['webp', 'image/webp', 'webp'],
      ['gif', 'image/gif', 'gif'],
      ['tiff', 'image/tiff', 'tiff'],
      ['avif', 'image/avif', 'avif'],
    ] as const) {
      await picture().toFormat(format).toFile(file);
      expect(await sniffFile(file)).toEqual({ mime, extension, type: 'image' });
    }
  });

  it('identifies files whose marks lie beyond their first 64 kB', async () => {
    const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
    const large = sharp({ create: { width: 400, height: 300, channels: 3, background: 'red', noise } });
    const file = path.join(dir.path, 'large');
    for (const compression of ['none', 'lzw', 'deflate'] as const) {
      await large.tiff({ compression }).toFile(file);
      expect(fs.statSync(file).size).toBeGreaterThan(100_000);
      expect(await sniffFile(file), compression).toEqual({ mime: 'image/tiff', extension: 'tiff', type: 'image' });
    }
    await picture()
      .withXmp(`<x:xmpmeta xmlns:x="adobe:ns:meta/">${' '.repeat(100_000)}</x:xmpmeta>`)
      .png()
      .toFile(file);
    expect(await sniffFile(file)).toMatchObject({ mime: 'image/png' });
    const cover = Buffer.concat([Buffer.from('49443303000000060d40', 'hex'), Buffer.alloc(100_032)]);
    const frame = Buffer.concat([Buffer.from('fffb9064', 'hex'), Buffer.alloc(413)]);
    fs.writeFileSync(file, Buffer.concat([cover, frame, frame, frame]));
    expect(await sniffFile(file)).toMatchObject({ mime: 'audio/mpeg', demuxer: 'mp3' });
    fs.writeFileSync(file, Buffer.alloc(200_000, 1));
    expect(await sniffFile(file)).toMatchObject({ mime: 'application/octet-stream' });
  });

  it.runIf(hasFfmpeg())('identifies recordings, and names the only demuxer that may read each', async () => {
    const make = (name: string, ...args: string[]): string => {
      const file = path.join(dir.path, name);
      const inputs = [
        '-f',
        'lavfi',
        '-i',
        'testsrc2=size=32x32:rate=5:duration=1',
        '-f',
        'lavfi',
        '-i',
        'sine=duration=1',
      ];
      execFileSync('ffmpeg', ['-v', 'error', '-y', ...inputs, '-pix_fmt', 'yuv420p', ...args, file]);
      const unnamed = path.join(dir.path, 'unnamed');
      fs.renameSync(file, unnamed);
      return unnamed;
    };
    for (const [name, mime, demuxer, ...args] of [
      ['a.mp4', 'video/mp4', 'mov'],
      ['a.mov', 'video/quicktime', 'mov'],
      ['a.mkv', 'video/x-matroska', 'matroska'],
      ['a.webm', 'video/webm', 'matroska', '-c:v', 'libvpx', '-c:a', 'libvorbis'],
      ['a.avi', 'video/x-msvideo', 'avi'],
      ['a.ts', 'video/mp2t', 'mpegts'],
      ['a.mpg', 'video/mpeg', 'mpeg', '-c:v', 'mpeg1video', '-r', '25'],
      ['a.flv', 'video/x-flv', 'flv', '-ar', '44100'],
      ['a.m4a', 'audio/x-m4a', 'mov', '-vn'],
      ['a.mp3', 'audio/mpeg', 'mp3', '-vn'],
      ['a.wav', 'audio/wav', 'wav', '-vn'],
      ['a.flac', 'audio/flac', 'flac', '-vn'],
      ['a.ogg', 'audio/ogg', 'ogg', '-vn', '-c:a', 'libvorbis'],
      ['a.aac', 'audio/aac', 'aac', '-vn'],
    ] as const) {
      const kind = await sniffFile(make(name, ...args));
      expect(kind, name).toMatchObject({ mime, demuxer, type: mime.split('/')[0] });
    }
  });
});
