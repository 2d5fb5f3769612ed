import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { SignedUrls } from '@cl-server/contract';
import { type JobTables, openJobs } from '@cl-server/jobs';
import { noBroadcaster, openDatabase, silentLogger } from '@cl-server/runtime';
import { defineTask, TaskRegistry } from '@cl-server/task-kit';
import { backends, hasFfmpeg, makeVideo, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startStore, type TestStore } from './support/store.js';
import { ADMIN, READER } from './support/tokens.js';

const text = z.string();
/** Takes what the real task takes; the test does the worker's part. */
const hls = defineTask({
  type: 'hls_streaming',
  version: '1.0.0',
  summary: 'Makes streams',
  file: 'optional',
  params: z.object({ input_absolute_path: text, output_absolute_path: text, include_original: text }),
  output: z.object({}),
  load: async () => ({ run: async () => ({}) }),
});
const tasks = new TaskRegistry([
  {
    task: hls.type,
    package: 'test',
    version: '1.0.0',
    source: 'builtin',
    file: '/nowhere.js',
    state: 'loaded',
    definition: hls,
  },
]);
const [backend] = backends();

describe.runIf(hasFfmpeg())('streams', () => {
  const dir = tempDir('cl-hls-');
  let store: TestStore;
  let video: { id: number };
  let stream: string;
  beforeAll(async () => {
    if (!backend) throw new Error('no database');
    store = await startStore(backend, { tasks });
    const file = makeVideo(path.join(dir.path, 'v.mp4'), { seconds: 2 });
    video = (await store.upload(fs.readFileSync(file), 'v.mp4')).json;
    stream = `/entities/${video.id}/stream`;
  });
  afterAll(async () => {
    await store.stop();
    dir.remove();
  });

  /** As a worker: claims the one waiting job and does `work` in the folder that it names. */
  const asWorker = async (work: (folder: string, input: string) => void, fails = false): Promise<void> => {
    const database = openDatabase<JobTables>(store.databaseUrl, { schema: 'jobs' });
    const storageDir = path.join(dir.path, 'jobs');
    const jobs = openJobs({ database, storageDir, broadcaster: noBroadcaster, logger: silentLogger() });
    try {
      const claim = await jobs.repository.fetchNextJob(['hls_streaming']);
      if (!claim) throw new Error('no job waits');
      const { output_absolute_path: folder, input_absolute_path: input } = claim.job.params as Record<string, string>;
      fs.mkdirSync(folder ?? '', { recursive: true });
      work(folder ?? '', input ?? '');
      const fence = { job_id: claim.job.job_id, token: claim.token };
      if (fails) await jobs.repository.fail([{ ...fence, code: 'invalid_input', message: 'broken' }]);
      else await jobs.repository.complete([{ ...fence, output: {} }]);
    } finally {
      await jobs.close();
      await database.close();
    }
  };

  it('are no matter for what is no video', async () => {
    const collection = await store.collection('c');
    const other = await store.media();
    for (const id of [collection.id, other.id, 999_999]) {
      const { status, json } = await store.get<{ detail: string }>(`/entities/${id}/stream/adaptive.m3u8`);
      expect([status, json.detail]).toEqual([404, 'hls_failed']);
    }
  });

  it('tell of a failure once, and are tried again at the next request', async () => {
    const ask = async () => {
      const { status, json } = await store.get<{ detail: string }>(`${stream}/adaptive.m3u8`);
      return [status, json.detail];
    };
    expect(await ask()).toEqual([202, 'hls_generating']);
    expect(await ask()).toEqual([202, 'hls_generating']);
    await asWorker(() => undefined, true);
    expect(await ask()).toEqual([404, 'hls_failed']);
    expect(await ask()).toEqual([202, 'hls_generating']);
    expect((await store.call('DELETE', stream)).status).toBe(204);
  });

  it('play as soon as segments exist, with the right types, signed for players without a token', async () => {
    const waiting = store.get(`${stream}/adaptive.m3u8?wait=true`);
    await store.get(`${stream}/adaptive.m3u8`);
    await asWorker((folder, input) => {
      const args = ['-v', 'error', '-i', input, '-c', 'copy', '-f', 'hls', '-hls_time', '1'];
      execFileSync('ffmpeg', [...args, '-hls_playlist_type', 'vod', path.join(folder, 'adaptive-orig.m3u8')]);
      fs.writeFileSync(
        path.join(folder, 'adaptive.m3u8'),
        '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nadaptive-orig.m3u8\n',
      );
    });
    const playlist = await waiting;
    expect([playlist.status, playlist.headers.get('content-type')]).toEqual([200, 'application/vnd.apple.mpegurl']);
    const segment = await store.get(`${stream}/adaptive-orig0.ts`);
    expect([segment.status, segment.headers.get('content-type'), segment.bytes[0]]).toEqual([200, 'video/mp2t', 0x47]);

    await store.call('PUT', '/admin/pref/guest-mode', { token: ADMIN, form: { guest_mode: 'false' } });
    const { json: urls } = await store.call<SignedUrls>('POST', `/entities/${video.id}/signed-urls`, { token: READER });
    const follow = async (target: string): Promise<string> => {
      const { status, text: body } = await store.get(target, { token: null });
      expect([target, status]).toEqual([target, 200]);
      const next = body.split('\n').find((line) => line !== '' && !line.startsWith('#'));
      return `${stream}/${next}`;
    };
    expect((await store.get(`${stream}/adaptive.m3u8`, { token: null })).status).toBe(401);
    const first = await follow(await follow(urls.stream));
    expect((await store.get(first, { token: null })).bytes[0]).toBe(0x47);
    await store.call('PUT', '/admin/pref/guest-mode', { token: ADMIN, form: { guest_mode: 'true' } });
  });

  it.each(['%2e%2e%2fx.ts', 'a%2fb.ts', 'a%5cb.ts', '.hidden.ts', 'x.exe', 'adaptive.m3u8%00.ts'])(
    'give no file for the name %s',
    async (name) => {
      const { status } = await store.get(`${stream}/${name}`);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
    },
  );

  it('go with DELETE and come again on request', async () => {
    expect((await store.call('DELETE', stream)).status).toBe(204);
    expect((await store.get(`${stream}/adaptive-orig0.ts`)).status).toBe(404);
    expect((await store.get(`${stream}/adaptive.m3u8`)).status).toBe(202);
  });
});
