import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, tempDir, which } from '@cl-server/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { findEncoder } from '../src/hls/encoder.js';

const dir = tempDir('cl-encoder-');
afterAll(() => dir.remove());

/** An ffmpeg that lists every hardware encoder, as packaged ones do, and succeeds with those that the machine "has". */
function machineWith(...present: string[]): string {
  const file = path.join(dir.path, `ffmpeg-${present.join('-') || 'bare'}`);
  const names = ['h264_nvenc', 'h264_videotoolbox', 'h264_qsv', 'libx264'];
  const list = names.map((name) => `echo " V....D ${name} an encoder"`).join('\n');
  const works = [...present, 'libx264'].map((name) => `*" ${name} "*) exit 0 ;;`).join('\n');
  const script = `#!/bin/sh\ncase " $* " in\n*" -encoders "*) ${list}\nexit 0 ;;\n${works}\nesac\nexit 1\n`;
  fs.writeFileSync(file, script, { mode: 0o755 });
  return file;
}

describe('the encoder of streams', () => {
  it.each(['h264_nvenc', 'h264_videotoolbox', 'h264_qsv'])('is %s where a trial shows that it works', async (name) => {
    expect(await findEncoder(machineWith(name))).toMatchObject({ name });
  });

  it('is software where hardware is listed and does not work', async () => {
    expect(await findEncoder(machineWith())).toMatchObject({ name: 'libx264' });
  });

  it.runIf(hasFfmpeg())('is found on this machine', async () => {
    expect((await findEncoder(which('ffmpeg') ?? '')).name).toMatch(/264/);
  });
});
