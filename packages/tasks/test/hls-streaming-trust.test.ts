import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type HlsPlan, type MakeOptions, makeHls } from '@cl-server/media';
import { parseParams } from '@cl-server/task-kit';
import { runTask, testEnvironment } from '@cl-server/task-kit/testing';
import { eventually, hasFfmpeg, makeVideo, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import task from '../src/hls_streaming/task.js';

const dir = tempDir('cl-hls-trust-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);
const mediaDir = at('media');
const streamsDir = at('streams');
const env = { mediaDir, streamsDir };
const small = JSON.stringify([
  { resolution: 48, bitrate: 100 },
  { resolution: 32, bitrate: 100 },
]);

/** Processes of this machine whose command line contains a text. */
const running = (text: string): string[] =>
  fs
    .readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
      } catch {
        return false;
      }
    });

describe('H16: a bad `variants` is a validation error', () => {
  it.each([
    ['an empty list', '[]'],
    ['invalid JSON', '[{'],
    ['a number', '7'],
    ['an object', '{}'],
    ['too low a bit rate', '[{"resolution":240,"bitrate":1}]'],
    ['a resolution of nothing', '[{"resolution":0,"bitrate":800}]'],
    ['neither resolution nor bit rate', '[{}]'],
    ['a list of words', '["720p"]'],
    ['too many', JSON.stringify(Array.from({ length: 9 }, (_, i) => ({ resolution: 100 + i })))],
  ])('%s', (_, variants) => {
    expect(parseParams(task, { variants }).success).toBe(false);
  });

  it('accepts numbers written as text, other keys, and either of the two alone', () => {
    const parsed = parseParams(task, { variants: '[{"resolution":"720","bitrate":"3500","x":1},{"bitrate":500}]' });
    expect(parsed.data?.['variants']).toEqual([
      { resolution: 720, bitrate: 3500 },
      { resolution: null, bitrate: 500 },
    ]);
    expect(parseParams(task, {}).data?.['variants']).toEqual([
      { resolution: 720, bitrate: 3500 },
      { resolution: 480, bitrate: 1500 },
    ]);
  });
});

describe('H8: absolute paths are in the configured folders or are refused', () => {
  beforeAll(() => {
    fs.mkdirSync(mediaDir, { recursive: true });
    fs.mkdirSync(streamsDir, { recursive: true });
    fs.writeFileSync(at('secret.mp4'), 'x');
    fs.writeFileSync(path.join(mediaDir, 'v.mp4'), 'x');
    fs.symlinkSync(at('secret.mp4'), path.join(mediaDir, 'link.mp4'));
    fs.symlinkSync(at('nowhere'), path.join(streamsDir, 'dangling'));
    fs.symlinkSync(dir.path, path.join(streamsDir, 'out'));
    fs.mkdirSync(at('media-twin'));
    fs.writeFileSync(at('media-twin/v.mp4'), 'x');
  });
  const ok = { input_absolute_path: path.join(mediaDir, 'v.mp4'), output_absolute_path: path.join(streamsDir, 'a/b') };

  it.each([
    ['another file', { input_absolute_path: '/etc/passwd' }],
    ['a path that leads up', { input_absolute_path: `${mediaDir}/../secret.mp4` }],
    ['a link that leads outside', { input_absolute_path: path.join(mediaDir, 'link.mp4') }],
    ['a folder whose name begins with the same letters', { input_absolute_path: at('media-twin/v.mp4') }],
    ['a relative input', { input_absolute_path: 'v.mp4' }],
    ['the media folder itself', { input_absolute_path: mediaDir }],
    ['a foreign output', { output_absolute_path: at('elsewhere') }],
    ['an output through a link', { output_absolute_path: path.join(streamsDir, 'out/x') }],
    ['an output that is a link to nowhere', { output_absolute_path: path.join(streamsDir, 'dangling') }],
    ['the streams folder itself', { output_absolute_path: streamsDir }],
    ['a NUL', { output_absolute_path: `${streamsDir}/a\0b` }],
  ])('%s', async (name, params) => {
    const run = runTask(task, { params: { ...ok, ...params }, env });
    if (name === 'a NUL') await expect(run).rejects.toThrow(/NUL/);
    else await expect(run).rejects.toMatchObject({ name: 'TaskRefusal', status: 403 });
  });

  it('neither file nor path gives 400, a missing file 422', async () => {
    await expect(runTask(task, { env })).rejects.toMatchObject({
      status: 400,
      message: 'Either file or input_absolute_path must be provided',
    });
    const params = { ...ok, input_absolute_path: path.join(mediaDir, 'absent.mp4') };
    await expect(runTask(task, { params, env })).rejects.toMatchObject({ status: 422 });
  });
});

describe.runIf(hasFfmpeg())('hls_streaming on stored media', () => {
  const source = path.join(mediaDir, 'film.mp4');
  const folder = path.join(streamsDir, 'film');
  const params = { input_absolute_path: source, output_absolute_path: folder, variants: small };
  beforeAll(() => {
    fs.mkdirSync(mediaDir, { recursive: true });
    fs.mkdirSync(streamsDir, { recursive: true });
    makeVideo(source, { seconds: 20, size: '96x64', rate: 25 });
  });
  beforeEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  it('writes into the folder, returns the master’s path relative to it, and leaves nothing else', async () => {
    using run = await runTask(task, { params, env });
    expect(run.params).toMatchObject({ input_path: '', output_path: '' });
    expect(run.output.master_playlist).toBe('adaptive.m3u8');
    expect(run.files).toEqual([]);
    const names = fs.readdirSync(folder);
    expect(names).toContain('adaptive.m3u8');
    expect(names.every((name) => /^adaptive(-(48|32)p-100(-\d{3})?)?\.(m3u8|ts)$/.test(name))).toBe(true);
  });

  it('can be played while it is being made, reports real percentages, and replaces an older stream', async () => {
    fs.mkdirSync(folder);
    fs.writeFileSync(path.join(folder, 'adaptive.m3u8'), 'old');
    fs.writeFileSync(path.join(folder, 'adaptive-9p-9-000.ts'), 'old');
    const long = path.join(mediaDir, 'long.mp4');
    makeVideo(long, { seconds: 240, size: '96x64', rate: 25, audio: false });
    const pending = runTask(task, { params: { ...params, input_absolute_path: long }, env });
    const live = path.join(folder, 'adaptive-live.m3u8');
    const seen = await eventually(() => fs.existsSync(live) && fs.readFileSync(live, 'utf8'), { every: 5 });
    expect(fs.existsSync(path.join(folder, 'adaptive.m3u8'))).toBe(false);
    for (const uri of seen.split('\n').filter((line) => line.endsWith('.m3u8')))
      expect(fs.readFileSync(path.join(folder, uri), 'utf8')).toMatch(/#EXT-X-PLAYLIST-TYPE:EVENT[\s\S]*\.ts/);
    using run = await pending;
    const percents = run.progress.map(({ percent }) => percent);
    expect(percents.at(-1)).toBe(100);
    expect(percents.filter((percent) => percent > 1 && percent < 99).length).toBeGreaterThan(0);
    expect(fs.existsSync(live)).toBe(false);
    expect(fs.existsSync(path.join(folder, 'adaptive-9p-9-000.ts'))).toBe(false);
  });

  it('a cancelled job kills ffmpeg and leaves no manifest', async () => {
    const long = path.join(mediaDir, 'cancel.mp4');
    makeVideo(long, { seconds: 240, size: '320x240', rate: 25, audio: false });
    const cancel = new AbortController();
    const pending = runTask(task, { params: { ...params, input_absolute_path: long }, env, signal: cancel.signal });
    await eventually(() => fs.existsSync(path.join(folder, 'adaptive-live.m3u8')), { every: 5 });
    expect(running(long).length).toBeGreaterThan(0);
    cancel.abort();
    await expect(pending).rejects.toMatchObject({ code: 'cancelled' });
    expect(running(long)).toEqual([]);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('a video that is truncated in the middle leaves no manifest', async () => {
    const broken = path.join(mediaDir, 'broken.mp4');
    const bytes = fs.readFileSync(source);
    fs.writeFileSync(broken, bytes.subarray(0, bytes.length / 2)); // the lost half contains its index
    await expect(runTask(task, { params: { ...params, input_absolute_path: broken }, env })).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.not.stringContaining(dir.path),
    });
    expect(fs.existsSync(path.join(folder, 'adaptive.m3u8'))).toBe(false);
  });

  describe('two jobs with the same folder run one after the other', () => {
    const broken = path.join(mediaDir, 'half.mp4');
    const job = (input: string, signal?: AbortSignal) =>
      runTask(task, {
        params: { ...params, input_absolute_path: input },
        env: { ...env, tools: { ...testEnvironment().tools, ffmpeg } },
        ...(signal && { signal }),
      });
    const expectWholeStream = () => {
      const names = fs.readdirSync(folder);
      expect(names.filter((name) => !/^adaptive(-(48|32)p-100(-\d{3})?)?\.(m3u8|ts)$/.test(name))).toEqual([]);
      const play = [
        '-v',
        'error',
        '-xerror',
        '-i',
        path.join(folder, 'adaptive.m3u8'),
        '-map',
        '0:v',
        '-f',
        'null',
        '-',
      ];
      expect(execFileSync('ffmpeg', play, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })).toBe('');
      const playlists = names.filter((name) => name.endsWith('.m3u8') && name !== 'adaptive.m3u8');
      const uris = playlists.flatMap((name) => fs.readFileSync(path.join(folder, name), 'utf8').match(/^[^#\n]+$/gm));
      expect(names.filter((name) => name.endsWith('.ts')).sort()).toEqual(uris.sort());
    };
    // An ffmpeg that fails with one film after it has written everything.
    const ffmpeg = at('ffmpeg');
    beforeAll(() => {
      fs.copyFileSync(source, broken);
      const script = '#!/bin/sh\nffmpeg "$@" || exit\ncase "$*" in *half.mp4*) exit 1 ;; esac\n';
      fs.writeFileSync(ffmpeg, script, { mode: 0o755 });
    });

    it('if both complete, the stream of the second one is complete', async () => {
      const runs = await Promise.all([job(source), job(source)]);
      for (const run of runs) {
        expect(run.output.total_segments).toBe(20);
        run.remove();
      }
      expectWholeStream();
    });

    it.each([
      ['first', [broken, source]],
      ['last', [source, broken]],
    ])('if the one that began %s fails, the stream of the other is complete', async (_, inputs) => {
      const ended = await Promise.allSettled(inputs.map((input) => job(input)));
      expect(ended.map(({ status }) => status)).toEqual(
        inputs.map((input) => (input === broken ? 'rejected' : 'fulfilled')),
      );
      expectWholeStream();
    });

    it('a waiting job can be cancelled, and leaves the folder to the other', async () => {
      const lock = path.join(folder, '.adaptive.lock');
      fs.mkdirSync(folder, { recursive: true });
      fs.writeFileSync(lock, String(process.pid)); // held, because its process lives
      const cancel = new AbortController();
      const waiting = makeHls({ folder } as HlsPlan, { signal: cancel.signal, timeout: 60_000 } as MakeOptions);
      cancel.abort();
      await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
      expect(fs.readFileSync(lock, 'utf8')).toBe(String(process.pid));
      fs.rmSync(lock);
    });

    it('the remains of a killed process, including its lock, do not block other jobs', async () => {
      (await job(source)).remove();
      fs.writeFileSync(path.join(folder, '.adaptive.lock'), '999999999');
      await expect(job(broken)).rejects.toMatchObject({ code: 'invalid_input' });
      expectWholeStream();
    });
  });

  it('H6: a 15-minute video completes even if ffmpeg prints much to both pipes', async () => {
    // A pipe that nobody reads is full after 64 KB, and blocks the program.
    const chatty = at('chatty-ffmpeg');
    const words = 'yes "[libx264 @ 0x5644079e5240] many words" | head -c 1000000';
    fs.writeFileSync(chatty, `#!/bin/sh\n${words} >&2\n${words}\nexec ffmpeg "$@"\n`, { mode: 0o755 });
    const tools = { ...testEnvironment().tools, ffmpeg: chatty };
    const hour = path.join(mediaDir, 'quarter.mp4');
    const input = ['-f', 'lavfi', '-i', 'color=size=48x32:rate=5:duration=900'];
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...input, '-c:v', 'libx264', '-preset', 'ultrafast', hour]);
    using run = await runTask(task, { params: { ...params, input_absolute_path: hour }, env: { ...env, tools } });
    expect(run.output.total_segments).toBe(900);
    expect(run.output.variants.map(({ segments }) => segments)).toEqual([450, 450]);
  });
});
