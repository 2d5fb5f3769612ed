import { imageHashes } from '@cl-server/media';
import { hasMedia, mediaFile, tempDir } from '@cl-server/testing';
import sharp, { type Sharp } from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { isSamePicture } from '../src/search/same-picture.js';

const dir = tempDir('cl-same-');
afterAll(() => dir.remove());
let files = 0;
async function hashes(image: Sharp) {
  const file = `${dir.path}/${files++}.png`;
  await image.png().toFile(file);
  return imageHashes(file);
}

/** A page that looks like text; `filled` is the share of its height that has lines. */
function page(seed: number, filled: number): Sharp {
  const [width, height] = [620, 877];
  const data = Buffer.alloc(width * height * 3, 255);
  let state = seed;
  const random = (): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
  for (let line = 60; line < 60 + height * 0.8 * filled; line += 16) {
    if (random() < 0.12) continue;
    const end = width - 60 - random() * (random() < 0.2 ? 300 : 30);
    for (let x = 60; x < end; ) {
      const word = 10 + random() * 45;
      for (let y = line; y < line + 8; y++)
        for (let at = Math.floor(x); at < Math.min(end, x + word); at++)
          if (random() < 0.55) data.fill(30, (y * width + at) * 3, (y * width + at) * 3 + 3);
      x += word + 6;
    }
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

const PHOTOS = ['cat.png', 'coffee.png', 'rocket.jpg', 'face_obama_1.jpg', 'face_obama_2.jpg', 'orientation_1.jpg'];

describe('isSamePicture', () => {
  it.runIf(hasMedia())('recognises copies of photos, and distinguishes different photos', async () => {
    const all = await Promise.all(PHOTOS.map((name) => hashes(sharp(mediaFile(name)))));
    for (const [i, photo] of all.entries()) {
      const source = (): Sharp => sharp(mediaFile(PHOTOS[i] ?? ''));
      const worse = sharp(await source().resize(250).jpeg({ quality: 25 }).toBuffer());
      for (const copy of [worse, source().greyscale(), source().modulate({ brightness: 1.2 }), source().blur(2)])
        expect(isSamePicture(photo, await hashes(copy)), PHOTOS[i]).toBe(true);
      for (const [j, other] of all.entries()) if (i !== j) expect(isSamePicture(photo, other)).toBe(false);
    }
  });

  it('does not match plain colours, dark noise or different pages of text, but matches a copy of a page', async () => {
    const plain = ['#000', '#fff', '#222', '#c00', '#0c0', '#888'].map((background) =>
      sharp({ create: { width: 80, height: 60, channels: 3, background } }),
    );
    const noise = [2, 5].map((sigma) =>
      sharp({ create: { width: 320, height: 240, channels: 3, background: '#000', noise: { type: 'gaussian', mean: 6, sigma } } }),
    ); // biome-ignore format: one value
    const pages = [1, 2, 3, 4].flatMap((seed) => [page(seed * 77, 1), page(seed * 91, 0.25)]);
    const all = await Promise.all([...plain, ...noise, ...pages].map(hashes));
    for (const [i, one] of all.entries())
      for (const [j, other] of all.entries()) if (i !== j) expect(isSamePicture(one, other), `${i} ${j}`).toBe(false);
    const copy = sharp(await page(77, 1).resize(400).jpeg({ quality: 40 }).toBuffer());
    expect(isSamePicture(all[8] ?? (await hashes(copy)), await hashes(copy))).toBe(true);
  });

  it('distinguishes one drawing in two colours, and matches no pictures without features', async () => {
    /** A pattern of 16 × 16 blocks in a colour on grey. */
    const pattern = (colour: readonly number[]): Sharp => {
      const data = Buffer.alloc(256 * 256 * 3, 60);
      for (let at = 0; at < data.length; at++) {
        const [x, y] = [(Math.floor(at / 3) % 256) >> 4, Math.floor(at / 3 / 256) >> 4];
        if ((x * 7 + y * 13 + ((x * y) % 5)) % 4 === 0) data[at] = colour[at % 3] ?? 0;
      }
      return sharp(data, { raw: { width: 256, height: 256, channels: 3 } });
    };
    // Both colours are equally bright.
    const [red, blue] = [await hashes(pattern([255, 70, 20])), await hashes(pattern([20, 150, 255]))];
    expect(isSamePicture(red, red)).toBe(true);
    expect(isSamePicture(red, blue)).toBe(false);
    expect(isSamePicture(red, { pdq: null, pdq_quality: null, flat_share: null, layout: null })).toBe(false);
  });
});
