/** The returned frame is the one at the requested time, for every container. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, tempDir, which } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type VideoFrame, videoFrame } from '../src/video/frame.js';
import { mediaInput } from '../src/video/input.js';
import { probe } from '../src/video/probe.js';

const dir = tempDir('cl-frame-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);
const make = (name: string, ...args: string[]): string => {
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, at(name)]);
  return at(name);
};
const SECONDS = 24;
const RATE = 25;
const SIZE = { width: 32, height: 24 };
/** The whole picture grows lighter, so that one pixel shows the time. */
const light = (seconds: number): string[] => [
  ...['-f', 'lavfi', '-i', `nullsrc=size=64x48:rate=${RATE}:duration=${seconds},format=yuv420p`],
  ...['-vf', `geq=lum='16+200*T/${SECONDS}':cb=128:cr=128`],
];
const x264 = (gop: number): string[] => ['-c:v', 'libx264', '-preset', 'veryfast', '-g', String(gop), '-crf', '10'];
const timeOf = ({ pixels }: VideoFrame): number => {
  const mean = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
  return ((mean * 219) / 255 / 200) * SECONDS;
};
const options = { ffmpeg: which('ffmpeg') ?? '' };
const frame = async (file: string, time: number, among = 1): Promise<VideoFrame> =>
  videoFrame(await mediaInput(file), { ...SIZE, time, among, track: { hdr: undefined, isInterlaced: false } }, options);

/** Accuracy with which a pixel of 8 bits shows the time after encoding. */
const NEAR = 0.5;

describe.runIf(hasFfmpeg())('a frame of a video', () => {
  beforeAll(() => {
    make('l.mp4', ...light(SECONDS), ...x264(50));
    for (const name of ['l.ts', 'l.mkv', 'l.flv', 'l.avi']) make(name, '-i', at('l.mp4'), '-c', 'copy');
    make('piped.mkv', '-i', at('l.mp4'), '-c', 'copy', '-live', '1');
    const bytes = fs.readFileSync(at('l.mkv'));
    fs.writeFileSync(at('cut.mkv'), bytes.subarray(0, bytes.length / 2));
    make('long-gop.ts', ...light(SECONDS), ...x264(500), '-x264-params', 'scenecut=0');
    make('mpeg2.ts', ...light(SECONDS), '-c:v', 'mpeg2video', '-q:v', '2', '-g', '50', '-bf', '2');
    make('mpeg2.mpg', ...light(SECONDS), '-c:v', 'mpeg2video', '-q:v', '2', '-g', '50', '-bf', '2');
    make('mpeg4.ts', ...light(SECONDS), '-c:v', 'mpeg4', '-q:v', '2', '-g', '50');
    make('vp8.webm', ...light(SECONDS), '-c:v', 'libvpx', '-deadline', 'realtime', '-b:v', '1M', '-g', '50');
    make('slides.mp4', ...light(SECONDS), '-r', '0.2', ...x264(3));
  });

  it.each([
    'l.mp4',
    'l.ts',
    'l.mkv',
    'l.flv',
    'l.avi',
    'piped.mkv',
    'long-gop.ts',
    'mpeg2.ts',
    'mpeg2.mpg',
    'mpeg4.ts',
    'vp8.webm',
  ])('of %s is the one displayed at the requested time', async (name) => {
    for (const time of [0, 0.5, 1.99, 2, 3.1, 11.7, 20.02, 23.5, 23.97]) {
      const found = await frame(at(name), time);
      expect(Math.abs(found.time - time), `at ${time}`).toBeLessThan(0.1);
      expect(Math.abs(timeOf(found) - time), `at ${time}`).toBeLessThan(NEAR);
    }
  });

  it.each(['l.mp4', 'l.ts', 'long-gop.ts', 'mpeg2.mpg', 'piped.mkv'])(
    'of %s, chosen as the most typical of many, has its own time',
    async (name) => {
      for (const time of [0, 2.4, 12.3, 23.6]) {
        const found = await frame(at(name), time, 24);
        expect(found.time).toBeGreaterThanOrEqual(time - 0.1);
        expect(found.time).toBeLessThan(time + 1);
        expect(Math.abs(timeOf(found) - found.time), `at ${time}`).toBeLessThan(NEAR);
      }
    },
  );

  it.each(['l.mp4', 'l.ts', 'mpeg2.mpg', 'cut.mkv'])(
    'after the end of %s is the last one, with its time',
    async (name) => {
      for (const among of [1, 24]) {
        const found = await frame(at(name), 40, among);
        const end = name === 'cut.mkv' ? timeOf(found) : SECONDS;
        expect(end).toBeGreaterThan(SECONDS / 3);
        expect(Math.abs(found.time - end), `${found.time}, of ${among}`).toBeLessThan(NEAR);
        expect(Math.abs(timeOf(found) - end), `shows ${timeOf(found)}, of ${among}`).toBeLessThan(NEAR);
      }
    },
  );

  it('of slides is the one that is still displayed, not the next', async () => {
    const first = await frame(at('slides.mp4'), 5.1);
    const same = await frame(at('slides.mp4'), 9.8);
    expect(same.time).toBe(9.8);
    expect(same.pixels.equals(first.pixels)).toBe(true);
  });

  it('before the first one is the first one, with its time', async () => {
    const sound = ['-f', 'lavfi', '-i', 'sine=duration=6'];
    make('late.mkv', '-itsoffset', '3', '-t', '3', '-i', at('l.mp4'), ...sound, '-c:v', 'copy');
    const found = await frame(at('late.mkv'), 1);
    expect(found.time).toBeCloseTo(3, 1);
  });

  it('at a destroyed place is the nearest before it', async () => {
    const bytes = fs.readFileSync(at('l.ts'));
    bytes.fill(0, Math.round(bytes.length * 0.4), Math.round(bytes.length * 0.5));
    fs.writeFileSync(at('hole.ts'), bytes);
    const found = await frame(at('hole.ts'), SECONDS * 0.45);
    expect(timeOf(found)).toBeLessThan(SECONDS * 0.45 + NEAR);
    expect(timeOf(found)).toBeGreaterThan(SECONDS * 0.25);
  });

  it.each([
    ['a webm', ['-c:v', 'libvpx', '-deadline', 'realtime', '-f', 'webm']],
    ['an mkv', ['-c:v', 'libx264', '-preset', 'ultrafast', '-f', 'matroska']],
    ['a wmv', ['-c:v', 'wmv2', '-f', 'asf']],
  ])('of %s written to a pipe has a measured length', async (_, codec) => {
    const film = ['-v', 'error', ...light(6), ...codec];
    fs.writeFileSync(at('piped'), execFileSync('ffmpeg', [...film, '-'], { maxBuffer: 100_000_000 }));
    const ffprobe = which('ffprobe') ?? '';
    const header = ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', at('piped')];
    expect(execFileSync(ffprobe, header, { encoding: 'utf8' }).trim()).toMatch(/^(N\/A)?$/);
    const { duration } = await probe(await mediaInput(at('piped')), { ffprobe });
    expect(duration).toBeCloseTo(6, 0);
  });
});
