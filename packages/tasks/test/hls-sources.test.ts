/**
 * Sources that are not displayed as they are stored: HDR, interlaced, mirrored, and pictures that begin after the
 * sound.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { sharp } from '@cl-server/media';
import { runTask } from '@cl-server/task-kit/testing';
import { hasFfmpeg, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import task from '../src/hls_streaming/task.js';
import thumbnail from '../src/media_thumbnail/task.js';

const dir = tempDir('cl-sources-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);
const ffmpeg = (...args: string[]): Buffer => execFileSync('ffmpeg', ['-v', 'error', '-y', ...args]);
const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];
const variants = JSON.stringify([{ resolution: 64, bitrate: 200 }]);

/** Properties of the first video track from ffprobe. */
function picture(file: string): Record<string, string> {
  const show = ['-v', 'error', '-of', 'json', '-select_streams', 'v', '-show_streams', file];
  return JSON.parse(execFileSync('ffprobe', show, { encoding: 'utf8' })).streams[0];
}

/** Runs the task; returns the playlists of the master with their lengths, and their first segments as files. */
async function stream(file: string, params: Record<string, unknown> = {}) {
  using run = await runTask(task, { file, params: { variants, ...params } });
  const master = run.read(run.output.master_playlist).toString();
  const uris = master.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return uris.map((uri) => {
    const playlist = run.read(`output/${uri}`).toString();
    const lengths = [...playlist.matchAll(/#EXTINF:([\d.]+)/g)].map(([, length]) => Number(length));
    const segment = at(`${uri}.ts`);
    fs.writeFileSync(segment, run.read(`output/${playlist.split('\n').find((line) => line.endsWith('.ts'))}`));
    return { uri, length: lengths.reduce((sum, value) => sum + value, 0), segment };
  });
}

/** The frame of a file at a time as RGB bytes. */
const frameOf = (file: string, time = 0): Buffer =>
  ffmpeg('-i', file, '-ss', String(time), '-frames:v', '1', '-pix_fmt', 'rgb24', '-f', 'rawvideo', 'pipe:1');
const mean = (bytes: Uint8Array): number => bytes.reduce((sum, value) => sum + value, 0) / bytes.length;

const CODES = {
  pq: { name: 'smpte2084', number: 16, white: 0.58 },
  hlg: { name: 'arib-std-b67', number: 18, white: 0.75 },
};

/**
 * Share of pixels that differ from both neighbours above and below while these are similar: the combs of interlaced
 * movement.
 */
async function combs(png: Buffer): Promise<number> {
  const { data, info } = await sharp(png).greyscale().raw().toBuffer({ resolveWithObject: true });
  const grey = (x: number, y: number): number => data[(y * info.width + x) * info.channels] ?? 0;
  let combed = 0;
  for (let y = 1; y < info.height - 1; y++)
    for (let x = 0; x < info.width; x++)
      if (Math.abs(grey(x, y - 1) - grey(x, y + 1)) < 20 && Math.abs(grey(x, y - 1) - grey(x, y)) > 60) combed++;
  return combed / (info.width * info.height);
}

describe.runIf(hasFfmpeg())('a source that is not displayed as it is stored', () => {
  beforeAll(() => {
    for (const [transfer, { name, white }] of Object.entries(CODES)) {
      const code = Math.round(64 + 876 * white);
      const x265 = `log-level=none:colorprim=bt2020:transfer=${name}:colormatrix=bt2020nc`;
      const grey = `nullsrc=size=128x96:rate=10:duration=2,format=yuv420p10le,geq=lum=${code}:cb=512:cr=512`;
      const tags = ['-color_primaries', 'bt2020', '-color_trc', name, '-colorspace', 'bt2020nc'];
      ffmpeg('-f', 'lavfi', '-i', grey, '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', x265, ...tags, '-tag:v', 'hvc1', at(`${transfer}.mp4`)); // biome-ignore format: one command
    }
    // A white bar moves over black, with two fields in each frame.
    const bar =
      'color=black:size=192x96:rate=50:duration=2[b];color=white:size=24x96:rate=50:duration=2[w];[b][w]overlay=x=abs(mod(t*400\\,336)-168):eval=frame,tinterlace=interleave_top,setfield=tff';
    ffmpeg('-f', 'lavfi', '-i', bar, ...x264, '-flags', '+ildct+ilme', '-x264-params', 'tff=1', at('interlaced.mp4'));
    ffmpeg('-itsoffset', '3', '-f', 'lavfi', '-i', 'testsrc2=size=128x96:rate=25:duration=4', '-f', 'lavfi', '-i', 'sine=duration=7', ...x264, '-g', '25', at('late.mp4')); // biome-ignore format: one command
    ffmpeg('-f', 'lavfi', '-i', 'color=white:size=128x96:rate=25:duration=2', '-vf', 'drawbox=y=48:h=48:color=black:t=fill', ...x264, at('upright.mp4')); // biome-ignore format: one command
    // The display matrix of the track mirrors the picture vertically (ISO/IEC 14496-12, 6.2.2 and 8.3.2).
    const file = fs.readFileSync(at('upright.mp4'));
    const matrix = file.indexOf('tkhd') + 4 + 40;
    file.writeInt32BE(-0x10000, matrix + 16);
    file.writeInt32BE(96 * 0x10000, matrix + 28);
    fs.writeFileSync(at('mirrored.mp4'), file);
  });

  it.each(['pq', 'hlg'])('shows the white of paper as light, and tags the result as BT.709: %s', async (transfer) => {
    using run = await runTask(thumbnail, { file: at(`${transfer}.mp4`), params: { format: 'png' } });
    const { data } = await sharp(run.read(run.output.output_path)).raw().toBuffer({ resolveWithObject: true });
    expect(mean(data)).toBeGreaterThan(225);
    expect(mean(data)).toBeLessThan(240);
    for (const { segment } of await stream(at(`${transfer}.mp4`))) {
      expect(picture(segment)).toMatchObject({
        codec_name: 'h264',
        pix_fmt: 'yuv420p',
        color_transfer: 'bt709',
        color_primaries: 'bt709',
        color_space: 'bt709',
      });
      expect(Math.abs(mean(frameOf(segment)) - mean(data))).toBeLessThan(3);
    }
  });

  it('converts interlaced pictures to progressive ones', async () => {
    using run = await runTask(thumbnail, { file: at('interlaced.mp4'), params: { width: 1000, format: 'png' } });
    expect(await combs(run.read(run.output.output_path))).toBeLessThan(0.002);
    const [first] = await stream(at('interlaced.mp4'), {
      variants: JSON.stringify([{ resolution: 96, bitrate: 900 }]),
      include_original: true,
    });
    const raw = { width: 192, height: 96, channels: 3 as const };
    const shown = await sharp(frameOf(first?.segment ?? '', 1), { raw })
      .png()
      .toBuffer();
    expect(await combs(shown)).toBeLessThan(0.002);
    const stored = await sharp(frameOf(at('interlaced.mp4'), 1), { raw })
      .png()
      .toBuffer();
    expect(await combs(stored)).toBeGreaterThan(0.01);
  });

  it('has the same time line in all renditions if the picture begins after the sound', async () => {
    const renditions = await stream(at('late.mp4'), { include_original: true });
    expect(renditions.map(({ uri }) => uri)).toHaveLength(2);
    for (const { uri, length } of renditions) expect(length, uri).toBeCloseTo(7, 0);
  });

  it('mirrors the original as well', async () => {
    for (const { uri, segment } of await stream(at('mirrored.mp4'), { include_original: true })) {
      const frame = frameOf(segment);
      const half = frame.length / 2;
      expect([mean(frame.subarray(0, half)) < 30, mean(frame.subarray(half)) > 220], uri).toEqual([true, true]);
    }
  });
});
