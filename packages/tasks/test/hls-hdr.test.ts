/** The original of an HDR source keeps its range, beside the variants in SDR. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ladder, makeHls, mediaInput, originalRange, pictureTrack, probe, SOFTWARE } from '@cl-server/media';
import { runTask, testEnvironment } from '@cl-server/task-kit/testing';
import { hasFfmpeg, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import task from '../src/hls_streaming/task.js';

const dir = tempDir('cl-hls-hdr-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);
const ffmpeg = (...args: string[]): Buffer => execFileSync('ffmpeg', ['-v', 'error', '-y', ...args]);
const SECONDS = 5;
const TRANSFERS = { PQ: 'smpte2084', HLG: 'arib-std-b67' } as const;
const wanted = [
  { resolution: 90, bitrate: 200 },
  { resolution: 64, bitrate: 100 },
];
const params = { variants: JSON.stringify(wanted), include_original: true };

function source(name: string, transfer: string, encoder: readonly string[], pixels = 'yuv420p10le'): void {
  const picture = `testsrc2=size=320x180:rate=30:duration=${SECONDS},format=${pixels}`;
  const tags = ['-color_primaries', 'bt2020', '-color_trc', transfer, '-colorspace', 'bt2020nc'];
  const sound = ['-f', 'lavfi', '-i', `sine=duration=${SECONDS}`, '-c:a', 'aac'];
  ffmpeg('-f', 'lavfi', '-i', picture, ...sound, '-preset', 'ultrafast', ...encoder, ...tags, at(name));
}
const x265 = (transfer: string): string[] => {
  const colours = `colorprim=bt2020:transfer=${transfer}:colormatrix=bt2020nc`;
  return ['-c:v', 'libx265', '-x265-params', `log-level=none:keyint=30:bframes=3:${colours}`, '-tag:v', 'hvc1'];
};

interface Stream {
  codec_type: string;
  start_time: string;
}
const streamsOf = (file: string): Stream[] =>
  JSON.parse(execFileSync('ffprobe', ['-v', 'error', '-of', 'json', '-show_streams', file], { encoding: 'utf8' }))
    .streams;
const kind = (streams: Stream[], type: string): Stream | undefined => streams.find((s) => s.codec_type === type);

/** Decodes every picture; equal sums mean equal pictures. */
const picturesOf = (file: string): string =>
  ffmpeg('-xerror', '-i', file, '-map', '0:v', '-fps_mode', 'passthrough', '-f', 'md5', '-').toString().trim();
const lengthOf = (playlist: string): number =>
  [...playlist.matchAll(/#EXTINF:([\d.]+)/g)].reduce((sum, [, length]) => sum + Number(length), 0);
const uris = (playlist: string): string[] =>
  playlist.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const withoutNumbers = (master: string): string => master.replace(/BANDWIDTH=\d+/g, 'BANDWIDTH=n');

describe.runIf(hasFfmpeg())('the original of an HDR source', () => {
  beforeAll(() => {
    for (const [range, transfer] of Object.entries(TRANSFERS)) source(`${range}.mp4`, transfer, x265(transfer));
  });

  it.each(Object.entries(TRANSFERS))(
    'is copied and listed with its range beside variants in SDR: %s',
    async (range, transfer) => {
      using run = await runTask(task, { file: at(`${range}.mp4`), params });
      expect(run.output).toMatchObject({
        variants_generated: 2,
        include_original: true,
        original_playlist: 'output/adaptive-orig.m3u8',
        total_segments: 6,
      });
      const stream = (size: string, codecs: string, as: string): string =>
        `#EXT-X-STREAM-INF:BANDWIDTH=n,AVERAGE-BANDWIDTH=n,RESOLUTION=${size},FRAME-RATE=30.000,CODECS="${codecs},mp4a.40.2",VIDEO-RANGE=${as}`;
      // Main 10, level 2, progressive frames only, as the encoder declares it.
      expect(withoutNumbers(run.read('output/adaptive.m3u8').toString()).split('\n')).toEqual([
        '#EXTM3U',
        '#EXT-X-VERSION:7',
        '#EXT-X-INDEPENDENT-SEGMENTS',
        stream('320x180', 'hvc1.2.4.L60.90', range),
        'adaptive-orig.m3u8',
        stream('160x90', 'avc1.64000b', 'SDR'),
        'adaptive-90p-200.m3u8',
        stream('114x64', 'avc1.640009', 'SDR'),
        'adaptive-64p-100.m3u8',
        '',
      ]);

      const original = run.read('output/adaptive-orig.m3u8').toString();
      expect(original.split('\n').slice(0, 7)).toEqual([
        '#EXTM3U',
        '#EXT-X-VERSION:7',
        '#EXT-X-TARGETDURATION:2',
        '#EXT-X-MEDIA-SEQUENCE:0',
        '#EXT-X-PLAYLIST-TYPE:VOD',
        '#EXT-X-INDEPENDENT-SEGMENTS',
        '#EXT-X-MAP:URI="adaptive-orig-init.mp4"',
      ]);
      expect(uris(original)).toEqual([0, 1, 2].map((n) => `adaptive-orig-00${n}.m4s`));
      const copied = run.path('output/adaptive-orig.m3u8');
      const colours = { color_transfer: transfer, color_primaries: 'bt2020', color_space: 'bt2020nc' };
      const isHdr = { codec_name: 'hevc', codec_tag_string: 'hvc1', pix_fmt: 'yuv420p10le', ...colours };
      expect(kind(streamsOf(copied), 'video')).toMatchObject(isHdr);
      expect(picturesOf(copied)).toBe(picturesOf(at(`${range}.mp4`)));
      const bt709 = { color_transfer: 'bt709', color_primaries: 'bt709', color_space: 'bt709' };
      for (const name of ['adaptive-90p-200', 'adaptive-64p-100']) {
        const file = run.path(`output/${name}.m3u8`);
        expect(kind(streamsOf(file), 'video')).toMatchObject({ codec_name: 'h264', pix_fmt: 'yuv420p', ...bt709 });
        expect(picturesOf(file)).toMatch(/^MD5=/);
        expect(run.read(`output/${name}.m3u8`).toString()).toContain('#EXT-X-VERSION:6\n');
      }
      expect(run.files.filter((file) => /live|draft|tmp/.test(file))).toEqual([]);
    },
  );

  it('has the clock of the other renditions, to the millisecond, without edit lists', async () => {
    using run = await runTask(task, { file: at('PQ.mp4'), params });
    const [copied, encoded] = ['orig', '90p-200'].map((name) => `output/adaptive-${name}.m3u8`) as [string, string];
    expect(Math.abs(lengthOf(run.read(copied).toString()) - lengthOf(run.read(encoded).toString()))).toBeLessThan(0.5);
    for (const type of ['video', 'audio']) {
      const [a, b] = [copied, encoded].map((name) => Number(kind(streamsOf(run.path(name)), type)?.start_time));
      expect(a, type).toBeGreaterThan(1);
      expect(Math.abs((a ?? 0) - (b ?? 0)), type).toBeLessThan(0.001);
    }
    expect(run.read('output/adaptive-orig-init.mp4').includes('edts')).toBe(false);
  });

  it('is listed with its codec while the stream is being made', async () => {
    const input = await mediaInput(at('HLG.mp4'));
    const { ffmpeg: tool = '', ffprobe = '' } = testEnvironment().tools;
    const info = await probe(input, { ffprobe });
    const track = pictureTrack(info);
    const range = await originalRange(input, track, { ffprobe });
    // A client that requests only the original also gets a variant for SDR players.
    const renditions = ladder(info, track, [], true, range);
    expect(renditions.map(({ name, range: as, width, height }) => [name, as, width, height])).toEqual([
      ['adaptive-180p-173', 'SDR', 320, 180],
      ['adaptive-orig', 'HLG', 320, 180],
    ]);
    const folder = at('live');
    const scratch = at('scratch');
    for (const made of [folder, scratch]) fs.mkdirSync(made);
    let live = '';
    await makeHls(
      { input, info, source: track, renditions, encoder: SOFTWARE, folder, threads: 1, maxPixels: 1e8, scratch },
      {
        ffmpeg: tool,
        ffprobe,
        signal: new AbortController().signal,
        timeout: 60_000,
        onProgress: () => {
          live ||= fs.readFileSync(path.join(folder, 'adaptive-live.m3u8'), 'utf8');
        },
      },
    );
    expect(live).toMatch(
      /FRAME-RATE=30.000,CODECS="hvc1\.2\.4\.L60\.90,mp4a\.40\.2",VIDEO-RANGE=HLG\nadaptive-orig\.m3u8/,
    );
    expect(live).toMatch(
      /FRAME-RATE=30.000,CODECS="avc1\.64000d,mp4a\.40\.2",VIDEO-RANGE=SDR\nadaptive-180p-173\.m3u8/,
    );
  });

  describe('is encoded to SDR', () => {
    const isSdr = async (file: string, env = {}) => {
      using run = await runTask(task, { file, params, env });
      const master = run.read('output/adaptive.m3u8').toString();
      expect(master).toMatch(/^#EXTM3U\n#EXT-X-VERSION:6\n/);
      expect(master).not.toMatch(/VIDEO-RANGE|FRAME-RATE|hvc1/);
      expect(uris(run.read('output/adaptive-orig.m3u8').toString())[0]).toBe('adaptive-orig-000.ts');
      expect(kind(streamsOf(run.path('output/adaptive-orig-000.ts')), 'video')).toMatchObject({
        codec_name: 'h264',
        pix_fmt: 'yuv420p',
        color_transfer: 'bt709',
      });
      expect(run.files.filter((name) => /m4s|mp4|live|tmp/.test(name))).toEqual([]);
    };

    it('if it is rotated', async () => {
      ffmpeg('-i', at('PQ.mp4'), '-c', 'copy', '-metadata:s:v:0', 'rotate=90', at('turned.mp4'));
      await isSdr(at('turned.mp4'));
    });

    it('if an edit list hides its first pictures', async () => {
      ffmpeg('-ss', '0.4', '-i', at('PQ.mp4'), '-c', 'copy', at('trimmed.mp4'));
      await isSdr(at('trimmed.mp4'));
    });

    it('if players do not decode its codec', async () => {
      source('deep.mp4', TRANSFERS.PQ, ['-c:v', 'libx264']);
      await isSdr(at('deep.mp4'));
    });

    it('if copying fails or makes a stream of another length', async () => {
      const failing = at('ffmpeg-without-fmp4');
      fs.writeFileSync(failing, '#!/bin/sh\ncase " $* " in *" fmp4 "*) exit 1 ;; *) exec ffmpeg "$@" ;; esac\n', {
        mode: 0o755,
      });
      await isSdr(at('PQ.mp4'), { tools: { ...testEnvironment().tools, ffmpeg: failing } });
      const shortened = at('ffmpeg-with-short-copies');
      fs.writeFileSync(
        shortened,
        `#!/bin/sh
ffmpeg "$@" || exit 1
case " $* " in *" fmp4 "*)
  for last; do :; done
  awk '/EXTINF/ && ++n == 3 { next } !/orig-002/' "$last" > "$last.draft" && mv "$last.draft" "$last" ;;
esac
`,
        { mode: 0o755 },
      );
      await isSdr(at('PQ.mp4'), { tools: { ...testEnvironment().tools, ffmpeg: shortened } });
    });
  });
});
