import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, tempDir, which } from '@cl-server/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { hlsArguments } from '../src/hls/command.js';
import { type Encoder, EncoderFinder } from '../src/hls/encoder.js';
import { ladder } from '../src/hls/ladder.js';
import { kindOf } from '../src/sniff/kinds.js';
import type { MediaInput } from '../src/video/input.js';
import type { ProbeResult, VideoStream } from '../src/video/probe.js';

const dir = tempDir('cl-encoder-');
afterAll(() => dir.remove());

/** An ffmpeg that lists every hardware encoder, as packaged ones do, and succeeds with those that the machine "has". */
function machineWith(...present: string[]): string {
  const file = path.join(dir.path, `ffmpeg-${present.join('-') || 'bare'}`);
  const names = ['h264_nvenc', 'h264_videotoolbox', 'h264_qsv', 'h264_vaapi', 'libx264'];
  const list = names.map((name) => `echo " V....D ${name} an encoder"`).join('\n');
  const works = [...present, 'libx264'].map((name) => `*" ${name} "*) exit 0 ;;`).join('\n');
  const script = `#!/bin/sh\ncase " $* " in\n*" -encoders "*) ${list}\nexit 0 ;;\n${works}\nesac\nexit 1\n`;
  fs.writeFileSync(file, script, { mode: 0o755 });
  return file;
}

/** Caches as a worker does: it keeps values but not failures. */
function memory() {
  const kept = new Map<string, unknown>();
  return async <T>(name: string, find: () => Promise<T>): Promise<T> => {
    if (!kept.has(name)) kept.set(name, await find());
    return kept.get(name) as T;
  };
}

const findEncoder = (ffmpeg: string): Promise<Encoder> =>
  new EncoderFinder({ remember: memory(), onUnanswered: () => undefined }).find(ffmpeg);

describe('the encoder of streams', () => {
  it.each(['h264_nvenc', 'h264_videotoolbox', 'h264_qsv', 'h264_vaapi'])(
    'is %s if a trial shows that it works',
    async (name) => {
      expect(await findEncoder(machineWith(name))).toMatchObject({ name });
    },
  );

  it('receives its frames on the device that it takes them from', async () => {
    const encoder = await findEncoder(machineWith('h264_vaapi'));
    const source = { index: 0, codec: 'vp9', width: 320, height: 240, frameRate: 25, rotation: 0 } as VideoStream;
    const info = { video: source, audio: [] as const, duration: 1, bitrate: 0 } as unknown as ProbeResult;
    const input = { file: '/v.webm', kind: { ...kindOf('video/webm'), demuxer: 'matroska' } } as MediaInput;
    const renditions = ladder(info, source, [{ resolution: 240, bitrate: 500 }], false);
    const args = hlsArguments({
      input,
      info,
      source,
      renditions,
      encoder,
      folder: '/s',
      threads: 1,
      maxPixels: 1e6,
      scratch: '/s',
    });
    expect(args.indexOf('-init_hw_device')).toBeGreaterThan(0);
    expect(args.indexOf('-init_hw_device')).toBeLessThan(args.indexOf('-i'));
    expect(args[args.indexOf('-filter_complex') + 1]).toContain('format=nv12,hwupload[v0]');
    expect(args).toContain('h264_vaapi');
  });

  it('is software if the listed hardware does not work', async () => {
    expect(await findEncoder(machineWith())).toMatchObject({ name: 'libx264' });
  });

  it('is tried again if its trial had no answer, by the next process at once and by the same one after ten minutes', async () => {
    const ffmpeg = path.join(dir.path, 'ffmpeg-asleep');
    const names = ['h264_nvenc', 'h264_qsv'].map((name) => `echo " V....D ${name} an encoder"`).join('\n');
    // NVENC does not answer while the file "asleep" exists; Quick Sync has no device.
    const script = `#!/bin/sh
case " $* " in
*" -encoders "*) ${names}
exit 0 ;;
*" h264_nvenc "*) echo nvenc >> "$0.tries"; [ -e "$0.asleep" ] && exec sleep 30; exit 0 ;;
esac
echo qsv >> "$0.tries"; exit 1
`;
    fs.writeFileSync(ffmpeg, script, { mode: 0o755 });
    fs.writeFileSync(`${ffmpeg}.asleep`, '');
    const said: (readonly string[])[] = [];
    let time = 0;
    const remember = memory();
    const newProcess = () =>
      new EncoderFinder({ remember, trialMs: 500, now: () => time, onUnanswered: (names) => said.push(names) });
    const [first, second] = [newProcess(), newProcess()];
    expect((await first.find(ffmpeg)).name).toBe('libx264');
    expect((await second.find(ffmpeg)).name).toBe('libx264');
    expect(said).toEqual([['h264_nvenc'], ['h264_nvenc']]);
    fs.rmSync(`${ffmpeg}.asleep`);
    time = 599_999;
    expect((await first.find(ffmpeg)).name, 'not before').toBe('libx264');
    time = 600_000;
    expect((await first.find(ffmpeg)).name).toBe('h264_nvenc');
    expect((await newProcess().find(ffmpeg)).name).toBe('h264_nvenc');
    expect(fs.readFileSync(`${ffmpeg}.tries`, 'utf8')).toBe('nvenc\nqsv\nnvenc\nnvenc\n');
  });

  it.runIf(hasFfmpeg())('is found on this machine', async () => {
    expect((await findEncoder(which('ffmpeg') ?? '')).name).toMatch(/264/);
  });
});
