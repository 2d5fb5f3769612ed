/** HDR stills are displayed in the brightness that they mean, however they declare HDR. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { hasFfmpeg, tempDir, which } from '@cl-server/testing';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { hdrOfPng } from '../src/colour/hdr.js';
import { hdrOfHeif } from '../src/colour/nclx.js';
import { toneMap } from '../src/colour/tone-map.js';
import { convertImage } from '../src/image/convert.js';
import { decodeImage } from '../src/image/decode.js';
import { boxesOf } from '../src/image/heif.js';

const dir = tempDir('cl-hdr-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);

/** PQ code of 203 nit, and HLG code of the same on a display of 1,000 nit (ITU-R BT.2408). */
const WHITE = { pq: 0.5807, hlg: 0.75 } as const;
const NUMBERS = { pq: 16, hlg: 18 } as const;

/** A 16-bit PNG in one grey, with a cICP chunk after its header. */
async function pngOf(code: number, transfer: number): Promise<Buffer> {
  const data = Buffer.alloc(40 * 30 * 6);
  for (let i = 0; i < data.length; i += 2) data.writeUInt16LE(Math.round(code * 65_535), i);
  const pixels = new Uint16Array(data.buffer, data.byteOffset, data.length / 2);
  const png = await sharp(pixels, { raw: { width: 40, height: 30, channels: 3 } })
    .toColourspace('rgb16')
    .png()
    .toBuffer();
  const body = Buffer.concat([Buffer.from('cICP'), Buffer.from([9, transfer, 0, 1])]);
  const chunk = Buffer.alloc(16);
  chunk.writeUInt32BE(4, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), 12);
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
}

describe('an HDR picture', () => {
  it.each(['pq', 'hlg'] as const)('shows the white of paper as light: PNG with cICP, %s', async (transfer) => {
    fs.writeFileSync(at('a.png'), await pngOf(WHITE[transfer], NUMBERS[transfer]));
    const { data } = await decodeImage(at('a.png'), { width: 8, height: 6 });
    expect(Math.abs((data[0] ?? 0) - 232)).toBeLessThanOrEqual(2);
    const made = await convertImage(at('a.png'), at('a.jpg'), { format: 'jpg', quality: 95 });
    expect(made).toMatchObject({ width: 40, height: 30 });
    const { dominant } = await sharp(at('a.jpg')).stats();
    expect(dominant.r).toBeGreaterThan(225);
  });

  it.runIf(hasFfmpeg())('is recognized by the nclx colours of an AVIF', async () => {
    const grey = 'scale=out_color_matrix=bt2020:out_range=pc,format=yuv420p10le';
    const tags = 'setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=pc';
    const av1 = ['-frames:v', '1', '-still-picture', '1', '-c:v', 'libaom-av1', '-cpu-used', '8'];
    execFileSync('ffmpeg', [
      '-v',
      'error',
      '-y',
      '-f',
      'lavfi',
      '-i',
      'color=c=0x949494:s=64x48',
      '-vf',
      `${grey},${tags}`,
      ...av1,
      at('a.avif'),
    ]);
    expect(hdrOfHeif(fs.readFileSync(at('a.avif')))).toEqual({ transfer: 'pq', primaries: 'bt2020' });
    expect((await decodeImage(at('a.avif'))).data[0]).toBeGreaterThan(225);

    // A truncated file is decoded by another decoder, to other bits but the same brightness.
    const noise = `testsrc2=s=256x256,noise=alls=20:all_seed=1,${grey},${tags}`;
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', noise, ...av1, at('b.avif')]);
    const whole = fs.readFileSync(at('b.avif'));
    fs.writeFileSync(at('cut.avif'), whole.subarray(0, Math.floor(whole.length * 0.8)));
    const [intact, shown] = [
      await decodeImage(at('b.avif')),
      await decodeImage(at('cut.avif'), { ffmpeg: which('ffmpeg') }),
    ];
    expect(shown.damage).toMatch(/damaged/);
    const mean = ({ data }: { readonly data: Uint8Array }) =>
      data.subarray(0, 256 * 3 * 32).reduce((sum, v) => sum + v, 0) / (256 * 3 * 32);
    expect(Math.abs(mean(shown) - mean(intact)), `${mean(shown)} ${mean(intact)}`).toBeLessThan(4);
  });

  it('does not include a JPEG with a gain map, whose base picture is made for SDR', async () => {
    const grey = (level: number, width: number) =>
      sharp({ create: { width, height: width, channels: 3, background: { r: level, g: level, b: level } } });
    const gainMap = await grey(255, 16).jpeg().toBuffer();
    const xmp = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
      xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" hdrgm:GainMapMax="3"/></rdf:RDF></x:xmpmeta>`;
    const base = await grey(120, 64).withXmp(xmp).jpeg({ quality: 95 }).toBuffer();
    // The segment in which a picture announces that others follow it (CIPA DC-007), here without its directory.
    const more = Buffer.concat([Buffer.from([0xff, 0xe2, 0, 14]), Buffer.from('MPF\0MM\0*\0\0\0\x08', 'latin1')]);
    fs.writeFileSync(at('gain.jpg'), Buffer.concat([base.subarray(0, 2), more, base.subarray(2), gainMap]));
    const shown = await decodeImage(at('gain.jpg'));
    expect(shown).toMatchObject({ width: 64, height: 64, damage: null });
    expect(Math.abs((shown.data[0] ?? 0) - 120)).toBeLessThan(3);
  });

  it('does not include sRGB transfer functions, or boxes and chunks that lead nowhere', async () => {
    const png = await pngOf(0.5, 13);
    expect(hdrOfPng(png)).toBeUndefined();
    for (let length = 0; length < 60; length++) expect(() => hdrOfPng(png.subarray(0, length))).not.toThrow();
    const loop = Buffer.from('0000000077696465', 'hex');
    expect(boxesOf(loop)).toHaveLength(1);
    for (const bytes of ['', '00000001', '0000000174657374', 'ffffffff6d657461'])
      expect(hdrOfHeif(Buffer.from(bytes, 'hex'))).toBeUndefined();
  });
});

describe('tone mapping', () => {
  const shown = (transfer: 'pq' | 'hlg', ...codes: number[]): number[] => {
    const data = Uint16Array.from(codes.map((code) => Math.round(code * 65_535)));
    return [...toneMap({ data, channels: 3, top: 65_535 }, { transfer, primaries: 'bt2020' })];
  };

  it.each(['pq', 'hlg'] as const)('keeps the order of greys, from black to white: %s', (transfer) => {
    const greys = Array.from({ length: 101 }, (_, i) => shown(transfer, i / 100, i / 100, i / 100));
    for (const [i, [r = 0, g = 0, b = 0]] of greys.entries()) {
      expect(Math.max(r, g, b) - Math.min(r, g, b)).toBeLessThanOrEqual(1);
      if (i > 0) expect(r).toBeGreaterThanOrEqual(greys[i - 1]?.[0] ?? 0);
    }
    expect([greys[0]?.[0], greys[100]?.[0]]).toEqual([0, 255]);
  });

  it('keeps hues: red stays red at any brightness', () => {
    for (const code of [0.4, 0.6, 0.8, 1]) {
      const [r = 0, g = 0, b = 0] = shown('pq', code, 0.2, 0.2);
      expect(r).toBeGreaterThan(80);
      expect(Math.max(g, b)).toBeLessThan(r / 3);
    }
  });

  it('keeps transparency', () => {
    const data = Uint16Array.from([0, 0, 0, 32_768]);
    expect(toneMap({ data, channels: 4, top: 65_535 }, { transfer: 'pq', primaries: 'p3' })[3]).toBe(128);
  });
});
