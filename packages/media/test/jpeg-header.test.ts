/** Facts read from a JPEG without a decoder are the same as from the decoder, or absent. */
import fs from 'node:fs';
import { hasMedia, mediaFile, mutate } from '@cl-server/testing';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type JpegShape, jpegShape } from '../src/image/jpeg-header.js';

async function asDecoded(bytes: Buffer): Promise<JpegShape | undefined> {
  try {
    const {
      width,
      height,
      orientation = 1,
      isProgressive = false,
    } = await sharp(bytes, { limitInputPixels: false }).metadata();
    return { width, height, orientation, isProgressive };
  } catch {
    return undefined;
  }
}

const blank = () => sharp({ create: { width: 30, height: 20, channels: 3, background: 'teal' } });

describe('jpegShape', () => {
  it('reads size and orientation of JPEGs of every kind', async () => {
    for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const bytes = await blank().withMetadata({ orientation }).jpeg().toBuffer();
      expect(jpegShape(bytes)).toEqual({ width: 30, height: 20, orientation, isProgressive: false });
    }
    for (const bytes of [
      await blank().jpeg({ progressive: true }).toBuffer(),
      await blank().greyscale().jpeg().toBuffer(),
      await blank().toColourspace('cmyk').keepIccProfile().jpeg().toBuffer(),
      await blank().jpeg({ mozjpeg: true, chromaSubsampling: '4:4:4' }).toBuffer(),
    ])
      expect(jpegShape(bytes)).toEqual(await asDecoded(bytes));
  });

  it.runIf(hasMedia())('agrees with the decoder on real photos', async () => {
    const photos = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `orientation_${n}.jpg`);
    for (const name of [...photos, 'exif_canon_40d.jpg', 'exif_gps_nikon.jpg', 'rocket.jpg', 'face_obama_1.jpg']) {
      const bytes = fs.readFileSync(mediaFile(name));
      const shape = jpegShape(bytes.subarray(0, 65_536));
      expect(shape, name).toBeDefined();
      expect(shape, name).toEqual(await asDecoded(bytes));
    }
  });

  it('returns nothing for truncated files and invalid orientations', async () => {
    const bytes = await blank().withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
    for (let length = 0; length < frame + 9; length++) expect(jpegShape(bytes.subarray(0, length))).toBeUndefined();
    const orientation = bytes.indexOf(Buffer.from([0x12, 0x01, 0x03, 0x00, 0x01, 0x00, 0x00, 0x00, 0x06]));
    expect(orientation).toBeGreaterThan(0);
    bytes[orientation + 8] = 9;
    expect(jpegShape(bytes)).toBeUndefined();
  });

  it('agrees with the decoder on 2,000 damaged headers if both return something', async () => {
    const good = await blank().withMetadata({ orientation: 6 }).jpeg().toBuffer();
    let both = 0;
    for (let seed = 1; seed <= 2000; seed++) {
      const bytes = mutate(good, seed);
      const shape = jpegShape(bytes);
      const decoded = shape && (await asDecoded(bytes));
      if (!decoded) continue;
      both++;
      expect(shape, `seed ${seed}`).toEqual(decoded);
    }
    expect(both).toBeGreaterThan(100);
  });
});
