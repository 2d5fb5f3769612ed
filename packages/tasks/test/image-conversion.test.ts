import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createExifReader } from '@cl-server/media';
import { parseParams } from '@cl-server/task-kit';
import { runTask } from '@cl-server/task-kit/testing';
import { hasMedia, mediaFile, tempDir, which } from '@cl-server/testing';
import { exiftoolPath } from 'exiftool-vendored';
import sharp, { type Sharp } from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import hash from '../src/hash/task.js';
import task from '../src/image_conversion/task.js';
import thumbnail from '../src/media_thumbnail/task.js';

const dir = tempDir('cl-conversion-');
const exif = createExifReader();
afterAll(async () => {
  await exif.end();
  dir.remove();
});
const at = (name: string): string => path.join(dir.path, name);
const plain = (background = { r: 200, g: 30, b: 30, alpha: 0.5 }) =>
  sharp({ create: { width: 40, height: 20, channels: 4, background } });
const FORMATS = ['png', 'jpg', 'jpeg', 'webp', 'gif', 'bmp', 'tiff', 'avif'] as const;

const SOURCES: Record<string, () => Sharp> = {
  'RGB.png': () => plain().removeAlpha().png(),
  'RGBA.png': () => plain().png(),
  'palette.png': () => plain().png({ palette: true }),
  'grey.png': () => plain().removeAlpha().toColourspace('b-w').png(),
  'grey+alpha.png': () => plain().toColourspace('b-w').png(),
  '16-bit.png': () => plain().removeAlpha().toColourspace('rgb16').png(),
  '16-bit grey.png': () => plain().removeAlpha().toColourspace('grey16').png(),
  'CMYK.jpg': () => plain().removeAlpha().toColourspace('cmyk').jpeg(),
  'CMYK.tiff': () => plain().removeAlpha().toColourspace('cmyk').tiff(),
  'animated.gif': () => plain().gif(),
};

describe('image_conversion', () => {
  for (const [name, make] of Object.entries(SOURCES))
    it.each(FORMATS)(`${name} to %s`, async (format) => {
      await make().toFile(at(name));
      using run = await runTask(task, { file: at(name), params: { format } });
      const ending = format === 'jpeg' ? 'jpg' : format;
      const expected = `output/converted_${path.parse(name).name}.${ending}`;
      expect(run.params).toMatchObject({ output_path: expected, format, quality: 85 });
      const bytes = run.read(expected);
      expect(run.output).toMatchObject({ output_path: expected, format, width: 40, height: 20, size: bytes.length });
      if (format === 'bmp') expect([bytes.readInt32LE(18), bytes.readInt32LE(22)]).toEqual([40, 20]);
      else {
        const { data } = await sharp(bytes)
          .flatten({ background: '#fff' })
          .toColourspace('srgb')
          .raw()
          .toBuffer({ resolveWithObject: true });
        const grey = name.startsWith('grey') || name.startsWith('16-bit grey');
        const clear = /RGBA|palette|grey\+alpha/.test(name);
        // Half-transparent red on white; grey of it; opaque red; with the rounding of the format.
        if (!name.includes('CMYK') && !name.includes('gif') && !(clear && format === 'gif'))
          expect(Math.abs((data[0] ?? 0) - (grey ? (clear ? 178 : 102) : clear ? 227 : 200))).toBeLessThan(14);
      }
    });

  it('transparency gets the requested background', async () => {
    await plain({ r: 0, g: 0, b: 0, alpha: 0 }).png().toFile(at('clear.png'));
    using run = await runTask(task, {
      file: at('clear.png'),
      params: { format: 'jpg', background: '00F', quality: 100 },
    });
    const { dominant } = await sharp(run.read(run.output.output_path)).stats();
    expect(dominant.b).toBeGreaterThan(240);
    expect(dominant.r).toBeLessThan(16);
  });

  it('H15: a photo taken in portrait orientation stays upright, and keeps its profile and its EXIF except the orientation', async () => {
    const photo = plain()
      .removeAlpha()
      .jpeg()
      .withIccProfile('p3')
      .withExif({ IFD0: { Make: 'Canon', Orientation: '6' } });
    await photo.withMetadata({ orientation: 6 }).toFile(at('turned.jpg'));
    for (const format of ['jpg', 'webp', 'tiff', 'png', 'avif']) {
      using run = await runTask(task, { file: at('turned.jpg'), params: { format } });
      const metadata = await sharp(run.read(run.output.output_path)).metadata();
      expect(metadata).toMatchObject({ width: 20, height: 40 });
      expect(metadata.orientation ?? 1).toBe(1);
      expect(metadata.icc?.length, format).toBeGreaterThan(100);
      if (format !== 'tiff') expect(metadata.exif?.toString('latin1'), format).toContain('Canon');
      const tags = await exif.read(run.path(run.output.output_path));
      expect(tags, format).toMatchObject({ 'EXIF:Make': 'Canon' });
      expect(tags['EXIF:Orientation'] ?? 1).toBe(1);
      expect(run.output.metadata_error).toBeNull();
    }
    using bare = await runTask(task, { file: at('turned.jpg'), params: { format: 'jpg', keep_metadata: false } });
    const metadata = await sharp(bare.read(bare.output.output_path)).metadata();
    expect([metadata.exif, metadata.icc]).toEqual([undefined, undefined]);
  });

  it('a GIF, which has no place for a profile, has the colours of sRGB', async () => {
    const wide = plain({ r: 200, g: 100, b: 51, alpha: 1 }).removeAlpha().withIccProfile('p3');
    await wide.png().toFile(at('wide.png'));
    const { data: stored } = await sharp(at('wide.png'), { ignoreIcc: true })
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(Math.abs((stored[0] ?? 0) - 200)).toBeGreaterThan(5); // in P3 the same colour has other numbers
    using run = await runTask(task, { file: at('wide.png'), params: { format: 'gif' } });
    const pixels = await sharp(run.read(run.output.output_path)).removeAlpha().raw().toBuffer();
    for (const [channel, value] of [200, 100, 51].entries())
      expect(Math.abs((pixels[channel] ?? 0) - value)).toBeLessThanOrEqual(3);
  });

  it('a truncated animation has its remaining frames and their number', async () => {
    const rows = Buffer.alloc(20 * 50 * 3, 0);
    for (let frame = 0; frame < 5; frame++) rows.fill(frame * 50, frame * 600, (frame + 1) * 600);
    const whole = await sharp(rows, { raw: { width: 20, height: 50, channels: 3, pageHeight: 10 } })
      .gif()
      .toBuffer();
    const content = whole.subarray(0, whole.length - 60);
    using run = await runTask(task, { file: { name: 'cut.gif', content }, params: { format: 'gif' } });
    const { pages } = await sharp(run.read(run.output.output_path), { animated: true }).metadata();
    expect(pages).toBeLessThan(5);
    expect(run.output.frames).toBe(pages);
  });

  it('a damaged picture is converted, hashed and shrunk as far as it can be read, and each result reports the fault', async () => {
    const noise = sharp({
      create: {
        width: 200,
        height: 150,
        channels: 3,
        background: '#888',
        noise: { type: 'gaussian', mean: 128, sigma: 30 },
      },
    });
    const whole = await noise.jpeg().toBuffer();
    const file = { name: 'half.jpg', content: whole.subarray(0, whole.length / 2) };
    const picture_error = expect.stringMatching(/^The picture is damaged/);
    using made = await runTask(task, { file, params: { format: 'webp' } });
    expect(made.output).toMatchObject({ width: 200, height: 150, picture_error });
    using hashed = await runTask(hash, { file });
    expect(hashed.output).toMatchObject({ phash: expect.any(String), perceptual_error: null, picture_error });
    using small = await runTask(thumbnail, { file, params: { width: 50 } });
    expect(small.output).toMatchObject({ width: 50, picture_error });
    using intact = await runTask(thumbnail, { file: { name: 'whole.jpg', content: whole } });
    expect(intact.output.picture_error).toBeNull();
  });

  it('a size beyond the limits of the format is refused with the reason', async () => {
    await sharp({ create: { width: 20_000, height: 4, channels: 3, background: 'red' } })
      .png()
      .toFile(at('long.png'));
    await expect(runTask(task, { file: at('long.png'), params: { format: 'webp' } })).rejects.toMatchObject({
      code: 'invalid_input',
      message: 'The picture cannot be written: it is too large for the WebP format; ask for a smaller size',
    });
  });

  it('the orientation in XMP is also reset, and the rest of XMP stays', async () => {
    const attribute = '<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>';
    const element =
      '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="a/b" ' +
      'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"><tiff:Orientation>6</tiff:Orientation></rdf:Description>';
    for (const description of [attribute, element]) {
      const xmp =
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
        `${description}</rdf:RDF></x:xmpmeta>`;
      await plain().removeAlpha().jpeg().withMetadata({ orientation: 6 }).withXmp(xmp).toFile(at('xmp.jpg'));
      expect(await exif.read(at('xmp.jpg'))).toMatchObject({ 'XMP:Orientation': 6 });
      for (const format of ['jpg', 'png', 'webp', 'tiff', 'avif']) {
        using run = await runTask(task, { file: at('xmp.jpg'), params: { format } });
        const tags = await exif.read(run.path(run.output.output_path));
        expect(tags, format).toMatchObject({ 'XMP:Orientation': 1 });
        expect(tags['XMP:Format'], format).toBe(description === element ? 'a/b' : undefined);
      }
    }
  });

  it.runIf(hasMedia())(
    'a TIFF gets the EXIF of a camera including its place, but its own pixels and size',
    async () => {
      const name = 'at 50%f %d.jpg'; // exiftool knows placeholders in names
      const content = fs.readFileSync(mediaFile('exif_gps_nikon.jpg'));
      using run = await runTask(task, { file: { name, content }, params: { format: 'tiff', width: 320 } });
      expect(run.output).toMatchObject({ width: 320, height: 240, metadata_error: null });
      const file = run.path(run.output.output_path);
      expect(fs.statSync(file).size).toBe(run.output.size);
      expect(run.files).toEqual([run.output.output_path]);
      expect(await exif.read(file)).toMatchObject({
        'EXIF:Make': 'NIKON',
        'EXIF:ImageWidth': 320,
        'EXIF:DateTimeOriginal': '2008:10:22 16:28:39',
        'Composite:GPSLatitude': expect.closeTo(43.46744833, 8),
      });
      const plain = await sharp(content).resize(320).raw().toBuffer();
      expect(await sharp(file).raw().toBuffer()).toEqual(plain);
      using bare = await runTask(task, { file: { name, content }, params: { format: 'tiff', keep_metadata: false } });
      expect(bare.output.metadata_error).toBeNull();
      expect(await exif.read(bare.path(bare.output.output_path))).not.toHaveProperty('EXIF:Make');
    },
  );

  it.runIf(hasMedia())('a HEIC keeps its EXIF, although only its pixels pass through the library', async () => {
    fs.copyFileSync(mediaFile('example.heic'), at('phone.heic'));
    fs.chmodSync(at('phone.heic'), 0o600);
    const write = ['-q', '-n', '-overwrite_original', '-Make=Apple', '-Orientation=6', '-XMP:Creator=Someone'];
    execFileSync(which('perl') ?? '', [await exiftoolPath(), ...write, at('phone.heic')]);
    for (const format of ['jpg', 'png', 'webp', 'tiff', 'avif']) {
      using run = await runTask(task, { file: at('phone.heic'), params: { format, width: 64 } });
      expect(run.output, format).toMatchObject({ width: 64, metadata_error: null });
      const tags = await exif.read(run.path(run.output.output_path));
      expect(tags, format).toMatchObject({ 'EXIF:Make': 'Apple', 'EXIF:Orientation': 1, 'XMP:Creator': 'Someone' });
    }
  });

  it.runIf(hasMedia())('EXIF that cannot be kept is reported, and the picture is still made', async () => {
    const convert = (format: string, tools = {}) =>
      runTask(task, { file: mediaFile('exif_gps_nikon.jpg'), params: { format }, env: { tools } });
    using without = await convert('tiff', { exiftool: at('absent') });
    expect(without.output.metadata_error).toMatch(/^EXIF was not kept\. ExifTool is not installed/);
    expect(await sharp(without.read(without.output.output_path)).metadata()).toMatchObject({ width: 640, height: 480 });
    for (const format of ['gif', 'bmp']) {
      using run = await convert(format);
      expect(run.output.metadata_error).toBe(`There is no place for EXIF in ${format}`);
    }
    using jpeg = await convert('jpg', { exiftool: at('absent') });
    expect(jpeg.output.metadata_error).toBeNull();
  });

  it.each([
    ['png', 'ushort'],
    ['tiff', 'ushort'],
    ['webp', 'uchar'],
  ])('16 bits per channel in %s are %s', async (format, depth) => {
    await plain().removeAlpha().toColourspace('rgb16').png().toFile(at('deep.png'));
    using run = await runTask(task, { file: at('deep.png'), params: { format } });
    expect((await sharp(run.read(run.output.output_path)).metadata()).depth).toBe(depth);
  });

  it('a bitmap is read in the form in which it is written', async () => {
    await plain().removeAlpha().png().toFile(at('first.png'));
    using bitmap = await runTask(task, { file: at('first.png'), params: { format: 'bmp' } });
    using back = await runTask(task, { file: bitmap.path(bitmap.output.output_path), params: { format: 'png' } });
    const [before, after] = await Promise.all(
      [at('first.png'), back.path(back.output.output_path)].map((file) => sharp(file).removeAlpha().raw().toBuffer()),
    );
    expect(after).toEqual(before);
  });

  it('an animation stays animated if the target format supports it', async () => {
    const frames = ['red', 'green', 'blue'].map((background) => ({
      create: { width: 16, height: 12, channels: 3 as const, background },
    }));
    const pages = await Promise.all(frames.map((frame) => sharp(frame).png().toBuffer()));
    await sharp(pages, { join: { animated: true } })
      .gif({ delay: [80, 80, 80] })
      .toFile(at('moving.gif'));
    for (const [format, count] of [
      ['webp', 3],
      ['gif', 3],
      ['png', 1],
    ] as const) {
      using run = await runTask(task, { file: at('moving.gif'), params: { format, width: 8 } });
      expect(run.output).toMatchObject({ frames: count, width: 8, height: 6 });
      expect((await sharp(run.read(run.output.output_path)).metadata()).pages ?? 1).toBe(count);
    }
  });

  it('quality and lossless have an effect; the result is fitted and never enlarged', async () => {
    const noise = { type: 'gaussian' as const, mean: 128, sigma: 40 };
    await sharp({ create: { width: 200, height: 100, channels: 3, background: 'grey', noise } })
      .png()
      .toFile(at('noise.png'));
    const size = async (params: Record<string, unknown>) => {
      using run = await runTask(task, { file: at('noise.png'), params });
      return run.output;
    };
    const [low, high] = [await size({ format: 'jpg', quality: 50 }), await size({ format: 'jpg', quality: 95 })];
    expect(high.size).toBeGreaterThan(low.size);
    expect((await size({ format: 'webp', lossless: true })).size).toBeGreaterThan(
      (await size({ format: 'webp' })).size,
    );
    expect(await size({ format: 'png', width: 100, height: 100 })).toMatchObject({ width: 100, height: 50 });
    expect(await size({ format: 'png', width: 900 })).toMatchObject({ width: 200, height: 100 });
  });

  it.each(['jxl', 'heic', 'svg'])('%s is refused, with a list of the supported formats', (format) => {
    expect(parseParams(task, { format }).error?.issues[0]?.message).toBe(
      "Input should be 'png', 'jpg', 'jpeg', 'webp', 'gif', 'bmp', 'tiff' or 'avif'",
    );
  });

  it.each([
    [{}],
    [{ format: 'exe' }],
    [{ format: 'png', quality: 101 }],
    [{ format: 'png', quality: 0 }],
    [{ format: 'png', width: 0 }],
    [{ format: 'png', background: 'url(x)' }],
  ])('the fields %j are refused', (params) => {
    expect(parseParams(task, params).success).toBe(false);
  });

  it.runIf(hasMedia())('HEIC is accepted', async () => {
    using run = await runTask(task, { file: mediaFile('example.heic'), params: { format: 'webp', width: 320 } });
    expect(run.output).toMatchObject({
      width: 320,
      mime_type: 'image/webp',
      output_path: 'output/converted_example.webp',
    });
    expect(fs.statSync(run.path(run.output.output_path)).size).toBe(run.output.size);
  });
});
