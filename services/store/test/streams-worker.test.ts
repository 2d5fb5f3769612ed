/** Streams on demand, made by a real worker: players can play them while they are made, and completely afterwards. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { SignedUrls } from '@cl-server/contract';
import { discoverTasks } from '@cl-server/task-kit';
import { backends, eventually, hasFfmpeg, makeVideo, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from './support/store.js';
import { ComputeWorker, isWorkerBuilt } from './support/worker.js';

const [backend] = backends();
const linesOf = (playlist: string): string[] => playlist.split('\n').filter((line) => line !== '' && line[0] !== '#');

describe.runIf(isWorkerBuilt && hasFfmpeg())('streams that a worker makes', () => {
  const dir = tempDir('cl-hls-worker-');
  const jobStorageDir = path.join(dir.path, 'compute');
  const streamsDir = path.join(dir.path, 'streams');
  let store: TestStore;
  let worker: ComputeWorker;
  const uploadVideo = async (name: string, bytes: Buffer): Promise<string> => {
    const { json, status } = await store.upload(bytes, name);
    expect([status, json.type]).toEqual([201, 'video']);
    return `/entities/${json.id}/stream`;
  };

  /** Repeats the request until the stream plays: on a busy machine the first segments may take longer than a request waits. */
  const playing = (stream: string) =>
    eventually(
      async () => {
        const reply = await store.get(`${stream}/adaptive.m3u8?wait=true`);
        return reply.status === 200 && reply;
      },
      { within: 80_000, every: 100 },
    );

  beforeAll(async () => {
    if (!backend) throw new Error('no database');
    store = await startStore(backend, { jobStorageDir, streamsDir, tasks: await discoverTasks({}) });
    const { databaseUrl, mediaDir } = store;
    worker = await ComputeWorker.start({
      databaseUrl,
      mediaDir,
      jobStorageDir,
      dataDir: dir.path,
      tasks: 'hls_streaming',
    });
  }, 60_000);
  afterAll(async () => {
    await worker.kill();
    await store.stop();
    dir.remove();
  });

  it('play for all waiting clients before they are complete, and then to the end', async () => {
    const video = makeVideo(path.join(dir.path, 'v.mp4'), { seconds: 12, size: '320x240' });
    const stream = await uploadVideo('v.mp4', fs.readFileSync(video));
    const waiting = await Promise.all(Array.from({ length: 8 }, () => playing(stream)));
    const [playlist] = waiting.map(({ status, text }) => {
      expect([status, text.slice(0, 7)]).toEqual([200, '#EXTM3U']);
      return text;
    });
    // There are two sizes and the original.
    expect(linesOf(playlist ?? '')).toHaveLength(3);
    const [variant] = linesOf(playlist ?? '');
    const begun = await store.get(`${stream}/${variant}`);
    const [segment] = linesOf(begun.text);
    const first = await store.get(`${stream}/${segment}`);
    expect([first.status, first.headers.get('content-type'), first.bytes[0]]).toEqual([200, 'video/mp2t', 0x47]);

    await eventually(async () => (await store.get(`${stream}/adaptive.m3u8`)).text.includes('CODECS'), {
      within: 60_000,
      every: 100,
    });
    // Players send no token: they use HTTP and a signed URL.
    const { json: signed } = await store.call<SignedUrls>('POST', stream.replace(/stream$/, 'signed-urls'));
    const { stdout } = await promisify(execFile)(
      'ffprobe',
      ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', store.url + signed.stream],
      { timeout: 20_000 },
    );
    expect(Number(stdout)).toBeCloseTo(12, 0);
    expect(fs.readdirSync(streamsDir).filter((name) => !name.startsWith('.'))).toHaveLength(1);
  }, 120_000);

  it('have the original of an HDR video beside the renditions in SDR, all reachable by a signed URL', async () => {
    const video = path.join(dir.path, 'hdr.mp4');
    const colours = 'colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc';
    await promisify(execFile)('ffmpeg', [
      ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=30:duration=5,format=yuv420p10le'],
      ...['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', `log-level=none:keyint=30:${colours}`],
      ...['-color_primaries', 'bt2020', '-color_trc', 'arib-std-b67', '-tag:v', 'hvc1', video],
    ]);
    const stream = await uploadVideo('hdr.mp4', fs.readFileSync(video));
    await playing(stream);
    await eventually(async () => (await store.get(`${stream}/adaptive.m3u8`)).text.includes('AVERAGE-BANDWIDTH'), {
      within: 60_000,
      every: 100,
    });
    const { json: signed } = await store.call<SignedUrls>('POST', stream.replace(/stream$/, 'signed-urls'));
    const master = await store.get(signed.stream);
    expect(master.text).toMatch(/CODECS="hvc1\.2\.4\.[^"]+",VIDEO-RANGE=HLG\nadaptive-orig\.m3u8\?/);
    expect(master.text.match(/VIDEO-RANGE=SDR/g)).toHaveLength(2);
    const original = await store.get(
      `${stream}/${linesOf(master.text).find((line) => line.startsWith('adaptive-orig'))}`,
    );
    const [, map = ''] = /#EXT-X-MAP:URI="(adaptive-orig-init\.mp4\?[^"]+)"/.exec(original.text) ?? [];
    const [segment = ''] = linesOf(original.text);
    for (const [uri, type, box] of [
      [map, 'video/mp4', 'ftyp'],
      [segment, 'video/iso.segment', 'styp'],
    ]) {
      const { status, headers, bytes } = await store.get(`${stream}/${uri}`);
      expect([status, headers.get('content-type'), bytes.subarray(4, 8).toString()]).toEqual([200, type, box]);
    }
    const { stdout } = await promisify(execFile)(
      'ffprobe',
      ['-v', 'error', '-show_entries', 'stream=codec_name,color_transfer', '-of', 'csv=p=0', store.url + signed.stream],
      { timeout: 20_000 },
    );
    expect(stdout.split('\n').filter((line) => line.startsWith('hevc,arib-std-b67')).length).toBeGreaterThan(0);
    expect(stdout.split('\n').filter((line) => line.startsWith('h264,bt709')).length).toBeGreaterThan(0);
  }, 120_000);

  it('report why a damaged video has none', async () => {
    const whole = fs.readFileSync(makeVideo(path.join(dir.path, 'w.mp4'), { seconds: 2, audio: false }));
    // The file lacks the index at its end.
    const stream = await uploadVideo('broken.mp4', whole.subarray(0, Math.floor(whole.length * 0.6)));
    const { status, json } = await store.get<{ detail: string; reason: string }>(`${stream}/adaptive.m3u8?wait=true`);
    expect([status, json.detail]).toEqual([404, 'hls_failed']);
    expect(json.reason.length).toBeGreaterThan(5);
    expect(json.reason).not.toContain(dir.path);
    expect(json.reason).not.toContain(store.mediaDir);
  }, 60_000);

  it('stop being made with DELETE', async () => {
    const video = makeVideo(path.join(dir.path, 'long.mp4'), { seconds: 20, size: '320x240' });
    const stream = await uploadVideo('long.mp4', fs.readFileSync(video));
    const before = fs.readdirSync(streamsDir);
    await playing(stream);
    const [content] = fs.readdirSync(streamsDir).filter((name) => !name.startsWith('.') && !before.includes(name));
    expect((await store.call('DELETE', stream)).status).toBe(204);
    expect(fs.existsSync(path.join(streamsDir, content ?? ''))).toBe(false);
    // The worker is free for the next job: it did not finish the stream.
    const next = await uploadVideo('n.mp4', fs.readFileSync(makeVideo(path.join(dir.path, 'n.mp4'), { seconds: 3 })));
    expect((await playing(next)).text).toContain('#EXTM3U');
    expect(fs.existsSync(path.join(streamsDir, content ?? ''))).toBe(false);
  }, 120_000);
});
