import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, makeVideo, tempDir, which } from '@cl-server/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { safeReason } from '../src/errors.js';
import { run } from '../src/process/run.js';
import { mediaInput } from '../src/video/input.js';
import { probe } from '../src/video/probe.js';

const dir = tempDir('cl-errors-');
afterAll(() => dir.remove());

describe('messages of tools, as clients see them', () => {
  it.each([
    [
      '[mov,mp4,m4a,3gp,3g2,mj2 @ 0x5644079e5240] moov atom not found\nfile:/data/a.mp4: Invalid data found\n',
      'moov atom not found; the file: Invalid data found',
    ],
    ['[vist#0:0/h264 @ 0x55ba4c0] [dec:h264 @ 0x55ba4c1] no frame!\n', 'no frame!'],
    ['[h264 @ 000001f2a4c0d540] no frame!\r\n    Last message repeated 2 times\r\n', 'no frame!'],
    ['cannot open /srv/media/x y.mp4', 'cannot open the file y.mp4'],
    ['file:/elsewhere/b.mp4: No such file', 'the file: No such file'],
    ['  two   spaces\tand a tab ', 'two spaces and a tab'],
    ['', ''],
  ])('%j is %j', (text, expected) => {
    expect(safeReason(text, ['/data/a.mp4'])).toBe(expected);
  });

  it.runIf(hasFfmpeg())(
    'for a film without its index are sentences without addresses, paths and protocols',
    async () => {
      const file = makeVideo(path.join(dir.path, 'whole.mp4'), { seconds: 1 });
      const cut = path.join(dir.path, 'cut.mp4');
      const bytes = fs.readFileSync(file);
      fs.writeFileSync(cut, bytes.subarray(0, bytes.length / 2));
      await expect(probe(await mediaInput(cut), { ffprobe: which('ffprobe') ?? '' })).rejects.toMatchObject({
        message:
          'The file cannot be read as video/mp4: moov atom not found; the file: Invalid data found when processing input',
      });
    },
  );

  it('that are long are kept from the beginning of a line', async () => {
    const script = 'i=0; while [ $i -lt 2000 ]; do echo "[h264 @ 0x5644079e5240] line $i" >&2; i=$((i+1)); done';
    const { stderr } = await run('sh', ['-c', script], { timeout: 10_000 });
    expect(stderr).toMatch(/^\[h264 @ 0x5644079e5240\] line \d+\n/);
    expect(stderr).toMatch(/line 1999\n$/);
    expect(safeReason(stderr)).not.toContain('0x');
  });
});
