import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, tempDir, which } from '@cl-server/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { hlsArguments } from '../src/hls/command.js';
import { findEncoder } from '../src/hls/encoder.js';
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

describe('the encoder of streams', () => {
  it.each(['h264_nvenc', 'h264_videotoolbox', 'h264_qsv', 'h264_vaapi'])(
    'is %s where a trial shows that it works',
    async (name) => {
      expect(await findEncoder(machineWith(name))).toMatchObject({ name });
    },
  );

  it('has its frames brought to the device that it takes them from', async () => {
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

  it('is software where hardware is listed and does not work', async () => {
    expect(await findEncoder(machineWith())).toMatchObject({ name: 'libx264' });
  });

  it.runIf(hasFfmpeg())('is found on this machine', async () => {
    expect((await findEncoder(which('ffmpeg') ?? '')).name).toMatch(/264/);
  });
});
