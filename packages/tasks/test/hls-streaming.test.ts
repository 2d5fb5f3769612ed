import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { runTask, testEnvironment } from '@cl-server/task-kit/testing';
import { hasFfmpeg, makeVideo, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import task from '../src/hls_streaming/task.js';

const dir = tempDir('cl-hls-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);
const ffmpeg = (...args: string[]) => execFileSync('ffmpeg', ['-v', 'error', '-y', ...args]);
const picture = (size: string, rate: number, seconds: number): string[] => [
  '-f',
  'lavfi',
  '-i',
  `testsrc2=size=${size}:rate=${rate}:duration=${seconds}`,
];
const tone = (seconds: number, hertz = 440): string[] => [
  '-f',
  'lavfi',
  '-i',
  `sine=frequency=${hertz}:duration=${seconds}`,
];
const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast'];
const small = JSON.stringify([
  { resolution: 120, bitrate: 200 },
  { resolution: 64, bitrate: 100 },
]);

const cuts = (playlist: string): number[] => [...playlist.matchAll(/#EXTINF:([\d.]+)/g)].map(([, d]) => Number(d));
const uris = (playlist: string): string[] =>
  playlist.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

interface Stream {
  codec_type: string;
  profile?: string;
  pix_fmt?: string;
  width?: number;
  height?: number;
}
const streamsOf = (file: string): Stream[] =>
  (
    JSON.parse(
      execFileSync('ffprobe', ['-v', 'error', '-of', 'json', '-show_streams', file], { encoding: 'utf8' }),
    ) as {
      streams: Stream[];
    }
  ).streams;

/** Runs the task and reads everything that a player would read. */
async function stream(file: string, params: Record<string, unknown>) {
  const run = await runTask(task, { file, params });
  const master = run.read(run.output.master_playlist).toString();
  const playlists = Object.fromEntries(uris(master).map((uri) => [uri, run.read(`output/${uri}`).toString()]));
  return { run, master, playlists };
}

describe.runIf(hasFfmpeg())('hls_streaming', () => {
  beforeAll(() => {
    makeVideo(at('plain.mp4'), { seconds: 7, size: '320x240', rate: 25 });
    // A copied original can only be cut at its own key frames: here into seven segments, more than the five that a
    // playlist of ffmpeg lists by default.
    ffmpeg(...picture('320x240', 25, 14), ...tone(14), ...x264, '-g', '50', '-pix_fmt', 'yuv420p', at('cuts.mp4'));
  });

  it('H7: the original is in the master, and its playlist lists every segment', async () => {
    const { run, master, playlists } = await stream(at('cuts.mp4'), { variants: small, include_original: true });
    expect(run.output).toMatchObject({
      master_playlist: 'output/adaptive.m3u8',
      variants_generated: 2,
      include_original: true,
      original_playlist: 'output/adaptive-orig.m3u8',
    });
    expect(uris(master)).toEqual(['adaptive-orig.m3u8', 'adaptive-120p-200.m3u8', 'adaptive-64p-100.m3u8']);
    for (const playlist of Object.values(playlists)) {
      expect(playlist).toContain('#EXT-X-PLAYLIST-TYPE:VOD');
      expect(playlist).toContain('#EXT-X-ENDLIST');
      expect(uris(playlist)).toHaveLength(7);
      expect(sum(cuts(playlist))).toBeCloseTo(14, 0);
      for (const uri of uris(playlist)) expect(run.read(`output/${uri}`).length).toBeGreaterThan(500);
    }
    expect(uris(playlists['adaptive-orig.m3u8'] ?? '')[0]).toBe('adaptive-orig-000.ts');
    expect(uris(playlists['adaptive-120p-200.m3u8'] ?? '')[0]).toBe('adaptive-120p-200-000.ts');
    expect(master).toMatch(/RESOLUTION=160x120,CODECS="avc1\.6400[0-9a-f]{2},mp4a\.40\.2"/);
    expect(run.files.filter((file) => /live|draft|tmp/.test(file))).toEqual([]);
    run.remove();
  });

  it.each([
    ['24 frames a second', 24],
    ['25 frames a second', 25],
    ['29.97 frames a second', 29.97],
    ['60 frames a second', 60],
    ['100 frames a second', 100],
  ])('cuts every variant at the same 2-second marks, at %s', async (_, rate) => {
    ffmpeg(...picture('160x120', rate, 5), ...x264, '-pix_fmt', 'yuv420p', at(`rate-${rate}.mp4`));
    const { run, playlists } = await stream(at(`rate-${rate}.mp4`), { variants: small });
    const [a, b] = Object.values(playlists).map(cuts);
    expect(a).toEqual(b);
    expect(a?.length).toBe(3);
    expect(a?.[0]).toBeCloseTo(2, 1);
    expect(a?.[1]).toBeCloseTo(2, 1);
    run.remove();
  });

  it('makes one audio rendition from a video with two audio tracks', async () => {
    const maps = ['-map', '0:v', '-map', '1:a', '-map', '2:a'];
    ffmpeg(
      ...picture('160x120', 25, 3),
      ...tone(3),
      ...tone(3, 880),
      ...maps,
      ...x264,
      '-pix_fmt',
      'yuv420p',
      at('two.mp4'),
    );
    const { run, playlists } = await stream(at('two.mp4'), { variants: small });
    const [first] = uris(Object.values(playlists)[0] ?? '');
    expect(
      streamsOf(run.path(`output/${first}`))
        .map((s) => s.codec_type)
        .sort(),
    ).toEqual(['audio', 'video']);
    run.remove();
  });

  it('converts 10-bit 4:4:4 to 8-bit yuv420p of the high profile, and odd sizes to even ones', async () => {
    ffmpeg(...picture('161x121', 25, 2), '-c:v', 'ffv1', '-pix_fmt', 'yuv444p10le', at('deep.mkv'));
    const { run, playlists } = await stream(at('deep.mkv'), { variants: '[{"resolution":99}]' });
    const [first] = uris(Object.values(playlists)[0] ?? '');
    const [video] = streamsOf(run.path(`output/${first}`));
    expect(video).toMatchObject({ pix_fmt: 'yuv420p', profile: 'High', height: 98 });
    expect((video?.width ?? 1) % 2).toBe(0);
    run.remove();
  });

  it('never enlarges, and applies the rotation of a phone', async () => {
    ffmpeg('-i', at('plain.mp4'), '-c', 'copy', '-metadata:s:v:0', 'rotate=90', at('turned.mp4'));
    const { run, master } = await stream(at('turned.mp4'), {
      variants: '[{"resolution":720,"bitrate":500}]',
      include_original: true,
    });
    expect([...master.matchAll(/RESOLUTION=(\d+x\d+)/g)].map(([, size]) => size)).toEqual(['240x320', '240x320']);
    const [first] = uris(run.read('output/adaptive-orig.m3u8').toString());
    expect(streamsOf(run.path(`output/${first}`)).find((s) => s.codec_type === 'video')).toMatchObject({
      width: 240,
      height: 320,
    });
    run.remove();
  });

  it('transcodes an original that browsers do not play out of MPEG-TS', async () => {
    ffmpeg(
      ...picture('160x120', 25, 2),
      '-c:v',
      'libvpx-vp9',
      '-deadline',
      'realtime',
      '-cpu-used',
      '8',
      at('vp9.webm'),
    );
    const { run } = await stream(at('vp9.webm'), { variants: small, include_original: true });
    const [first] = uris(run.read('output/adaptive-orig.m3u8').toString());
    expect(streamsOf(run.path(`output/${first}`))[0]).toMatchObject({ codec_name: 'h264', profile: 'High' });
    run.remove();
  });

  it('reports the progress and the length of a recording whose header has no length', async () => {
    const args = ['-v', 'error', '-i', at('plain.mp4'), '-c', 'copy', '-f', 'matroska', '-'];
    const content = execFileSync('ffmpeg', args, { maxBuffer: 100_000_000 });
    const run = await runTask(task, { file: { name: 'piped.mkv', content }, params: { variants: small } });
    expect(run.output.duration).toBeCloseTo(7, 0);
    expect(run.progress.map(({ percent }) => percent).filter((p) => p > 1 && p < 100).length).toBeGreaterThan(0);
    run.remove();
  });

  describe('if a hardware encoder passes its trial', () => {
    /**
     * An ffmpeg with NVENC, which writes half a stream with it and then fails; everything else is done by the real
     * ffmpeg.
     */
    const hardware = (name: string, onJob: string): string => {
      const script = `#!/bin/sh
case " $* " in
*" -encoders "*) echo " V....D h264_nvenc an encoder" ;;
*" lavfi "*) exit 0 ;;
*" h264_nvenc "*) for last; do :; done; dir=$(dirname "$last"); echo x >> "$0.tries"
  echo half > "$dir/adaptive-120p-200-000.ts"; echo half > "$dir/adaptive-120p-200-077.ts"; ${onJob} ;;
*) exec ffmpeg "$@" ;;
esac
`;
      fs.writeFileSync(at(name), script, { mode: 0o755 });
      return at(name);
    };
    const env = (ffmpeg: string) => ({ tools: { ...testEnvironment().tools, ffmpeg } });

    it.each([
      ['fails', 'echo "[h264_nvenc @ 0x5644079e5240] OpenEncodeSessionEx failed" >&2; exit 1'],
      ['reports success but has made only a part', 'exit 0'],
    ])('but %s with the film, the stream is made in software', async (_, onJob) => {
      const ffmpeg = hardware(`nvenc-${onJob.length}`, onJob);
      const run = await runTask(task, { file: at('plain.mp4'), params: { variants: small }, env: env(ffmpeg) });
      expect(fs.readFileSync(`${ffmpeg}.tries`, 'utf8')).toBe('x\n');
      expect(run.output.encoder).toBe('libx264');
      expect(run.output.total_segments).toBe(8);
      expect(run.files).not.toContain('output/adaptive-120p-200-077.ts');
      run.remove();
    });

    it('and the film is damaged as well, the job fails with the error of the software encoder', async () => {
      const bytes = fs.readFileSync(at('plain.mp4'));
      const moov = bytes.indexOf('moov') - 4;
      const mdat = bytes.indexOf('mdat') + 4;
      fs.writeFileSync(at('empty.mp4'), bytes.fill(0xff, mdat, moov));
      const ffmpeg = hardware('nvenc-broken', 'exit 1');
      await expect(
        runTask(task, { file: at('empty.mp4'), params: { variants: small }, env: env(ffmpeg) }),
      ).rejects.toMatchObject({ message: expect.not.stringMatching(/0x|\/|nvenc/) });
      expect(fs.readFileSync(`${ffmpeg}.tries`, 'utf8')).toBe('x\n');
    });
  });

  it('makes a stream of a single frame', async () => {
    ffmpeg(...picture('64x48', 25, 1), '-frames:v', '1', ...x264, '-pix_fmt', 'yuv420p', at('frame.mp4'));
    const { run } = await stream(at('frame.mp4'), { variants: small, include_original: true });
    expect(run.output.variants.map(({ segments }) => segments)).toEqual([1, 1]);
    for (const { bandwidth } of run.output.variants) expect(bandwidth).toBeGreaterThan(0);
    run.remove();
  });

  it('refuses an audio file with a sentence', async () => {
    ffmpeg(...tone(1), '-c:a', 'aac', at('sound.m4a'));
    await expect(runTask(task, { file: at('sound.m4a') })).rejects.toMatchObject({
      code: 'unsupported_media',
      message: 'The file does not contain a video stream',
    });
  });
});
