/** Streams on demand: every state that they can have, and the response to a client in it. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import type { SignedUrls } from '@cl-server/contract';
import { backends, eventually, hasFfmpeg, makeVideo, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from './support/store.js';
import { StreamWorker, streamTasks } from './support/stream-worker.js';
import { ADMIN, READER, WRITER } from './support/tokens.js';

interface Told {
  readonly detail: string;
  readonly reason?: string;
}

const MASTER = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nadaptive-orig.m3u8\n';
const VARIANT = '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nadaptive-orig-000.ts\n#EXT-X-ENDLIST\n';

describe.runIf(hasFfmpeg()).each(backends())('streams on $name', (backend) => {
  const dir = tempDir('cl-hls-');
  let store: TestStore;
  let worker: StreamWorker;
  let clip: Buffer;
  let ahead = 0;
  let id: number;
  let stream: string;

  const videoBytes = (): Buffer => Buffer.concat([clip, randomBytes(16)]);
  const ask = (query = '') => store.get<Told>(`${stream}/adaptive.m3u8${query}`);
  const told = async (query = '') => {
    const { status, json } = await ask(query);
    return [status, json?.detail];
  };
  const make = async (): Promise<string> => {
    await ask();
    const job = await worker.take();
    job.put('adaptive-orig-000.ts', 'segment');
    job.put('adaptive-orig.m3u8', VARIANT);
    job.put('adaptive.m3u8', MASTER);
    await job.complete();
    return job.folder;
  };

  beforeAll(async () => {
    store = await startStore(backend, {
      readAuth: false, // guests may read
      tasks: streamTasks,
      now: () => Date.now() + ahead,
      streamsDir: path.join(dir.path, 'streams'),
    });
    worker = new StreamWorker(store.databaseUrl);
    await worker.announce();
    clip = fs.readFileSync(makeVideo(path.join(dir.path, 'v.mp4'), { seconds: 1, audio: false }));
  });
  afterAll(async () => {
    await worker.close();
    await store.stop();
    dir.remove();
  });
  beforeEach(async () => {
    ({ id } = (await store.upload(videoBytes(), 'v.mp4')).json);
    stream = `/entities/${id}/stream`;
  });

  it('are refused for a file that is not a video', async () => {
    const collection = await store.collection('c');
    const other = await store.media();
    for (const no of [collection.id, other.id, 999_999]) {
      const { status, json } = await store.get<Told>(`/entities/${no}/stream/adaptive.m3u8`);
      expect([status, json.detail, typeof json.reason]).toEqual([404, 'hls_failed', 'string']);
    }
  });

  it('report why they failed, are tried again on request, and after a second failure only later', async () => {
    for (const delay of ['0', '2', '4']) {
      expect(await told()).toEqual([202, 'hls_generating']);
      expect(await told()).toEqual([202, 'hls_generating']);
      await (await worker.take()).fail('no picture in it');
      const { status, json, headers } = await ask();
      expect([status, json.detail, json.reason, headers.get('retry-after')]).toEqual([
        404,
        'hls_failed',
        'no picture in it',
        delay,
      ]);
      if (delay !== '0') expect(await told()).toEqual([404, 'hls_failed']);
      expect(await worker.queued()).toBe(0);
      ahead += Number(delay) * 1000;
    }
  });

  it('report a failure to a waiting client when it happens', async () => {
    const waiting = told('?wait=true');
    await eventually(() => worker.queued());
    await (await worker.take()).fail('broken');
    expect(await waiting).toEqual([404, 'hls_failed']);
  });

  it('that were requested with read permission only run after the jobs of users, and few at once', async () => {
    const askAs = async (token: string | null) => {
      const { json } = await store.upload(videoBytes(), 'v.mp4');
      return store.get<Told>(`/entities/${json.id}/stream/adaptive.m3u8`, { token });
    };
    const guestMode = (on: boolean) =>
      store.call('PUT', '/admin/pref/guest-mode', { token: ADMIN, form: { guest_mode: String(on) } });
    await guestMode(true);
    const priorities: number[] = [];
    for (const token of [null, READER, WRITER, ADMIN]) {
      expect((await askAs(token)).status).toBe(202);
      const job = await worker.take();
      priorities.push(job.priority);
      await job.complete();
    }
    expect(priorities).toEqual([4, 4, 8, 8]);
    for (let n = 0; n < 20; n++) expect((await askAs(null)).status).toBe(202);
    const refused = await askAs(null);
    expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([503, expect.any(Number)]);
    expect((await askAs(WRITER)).status).toBe(202);
    expect((await worker.take()).priority).toBe(8);
    for (let n = 0; n < 20; n++) await (await worker.take()).complete();
    await guestMode(false);
  });

  it('are made by one job for any number of requests, and play when the first segments exist', async () => {
    const waiting = Promise.all(Array.from({ length: 20 }, () => ask('?wait=true')));
    await Promise.all(Array.from({ length: 20 }, () => ask()));
    expect(await worker.queued()).toBe(1);
    const job = await worker.take();
    expect(job.priority).toBe(8);
    job.put('adaptive-orig.m3u8', '#EXTM3U\n');
    job.put('adaptive-live.m3u8', MASTER);
    for (const { status, text, headers } of await waiting)
      expect([status, text, headers.get('content-type')]).toEqual([200, MASTER, 'application/vnd.apple.mpegurl']);
    expect(await worker.queued()).toBe(0);
    await job.fail('stopped half-way');
    expect(await told()).toEqual([404, 'hls_failed']);
    // The worker cleaned up nothing, like one that was killed.
    expect((await store.get(`${stream}/adaptive-orig.m3u8`)).status).toBe(404);
    expect(fs.existsSync(job.folder)).toBe(false);
  });

  it('serve segments with their media type, and ranges of them', async () => {
    await make();
    const segment = await store.get(`${stream}/adaptive-orig-000.ts`, { headers: { range: 'bytes=3-5' } });
    expect([segment.status, segment.headers.get('content-type'), segment.text]).toEqual([206, 'video/mp2t', 'men']);
  });

  it('play with a signed URL alone, through all playlists', async () => {
    await make();
    const { json: urls } = await store.call<SignedUrls>('POST', `/entities/${id}/signed-urls`, { token: READER });
    const follow = async (target: string): Promise<string> => {
      const { status, text: body } = await store.get(target, { token: null });
      expect([target, status]).toEqual([target, 200]);
      return `${stream}/${body.split('\n').find((line) => line !== '' && !line.startsWith('#'))}`;
    };
    const segment = await follow(await follow(urls.stream));
    expect((await store.get(segment, { token: null })).text).toBe('segment');
    for (const name of ['adaptive.m3u8', 'adaptive-orig.m3u8', 'adaptive-orig-000.ts'])
      expect((await store.get(`${stream}/${name}`, { token: null })).status).toBe(401);
    await store.call('PUT', '/admin/pref/guest-mode', { token: ADMIN, form: { guest_mode: 'true' } });
  });

  it('serve no file for a name that leads out of the stream or does not belong to it', async () => {
    await make();
    const { hostname, port } = new URL(store.url);
    // The test does not use fetch, which resolves dots by itself.
    const statusOf = (name: string) =>
      new Promise((resolve, reject) => {
        const request = http.get({ hostname, port, path: `${stream}/${name}` }, (reply) => {
          reply.resume();
          resolve(reply.statusCode);
        });
        request.on('error', reject);
      });
    for (const name of ['..', '%2e%2e', '%2e%2e%2fstream.json', 'a%2fb.ts', 'a%5cb.ts', 'adaptive.m3u8%00.ts'])
      expect([name, await statusOf(name)]).toEqual([name, 400]);
    for (const name of ['stream.json', '.hidden.ts', 'x.exe', 'adaptive-none.ts'])
      expect([name, await statusOf(name)]).toEqual([name, 404]);
  });

  it('stop with DELETE, and a worker that ends late does not change the next stream', async () => {
    await ask();
    const late = await worker.take();
    late.put('adaptive-live.m3u8', MASTER);
    expect(await told()).toEqual([200, undefined]);
    expect((await store.call('DELETE', stream)).status).toBe(204);
    const next = await make();
    expect(await late.complete()).toBe(false);
    late.put('adaptive-orig.m3u8', 'late');
    expect(late.folder).not.toBe(next);
    expect((await store.get(`${stream}/adaptive-orig.m3u8`)).text).toBe(VARIANT);
    expect((await store.call('DELETE', stream)).status).toBe(204);
    expect(fs.existsSync(path.dirname(next))).toBe(false);
    expect((await store.get(`${stream}/adaptive-orig-000.ts`)).status).toBe(404);
    expect((await store.call('DELETE', '/entities/999999/stream')).status).toBe(404);
  });

  it('belong to the current file, and are deleted with their content', async () => {
    const folder = await make();
    const form = { is_collection: 'false', label: 'new', media_file: { name: 'v.mp4', bytes: videoBytes() } };
    await store.call('PUT', `/entities/${id}`, { form });
    expect((await store.get(`${stream}/adaptive-orig-000.ts`)).status).toBe(404);
    const newer = await make();
    await store.patch(id, { is_deleted: 'true' });
    await store.remove(id);
    await eventually(() => !fs.existsSync(folder) && !fs.existsSync(newer));
  });

  it('survive a restart, which removes those without content and leaves no request waiting', async () => {
    await make();
    const kept = stream;
    const orphan = path.join(dir.path, 'streams', 'f'.repeat(64));
    fs.mkdirSync(orphan);
    const drafts = path.join(dir.path, 'streams', '.drafts');
    for (const name of ['old', 'young']) fs.writeFileSync(path.join(drafts, name), 'a note that was not finished');
    fs.utimesSync(path.join(drafts, 'old'), 1_000, 1_000);
    stream = `/entities/${(await store.upload(videoBytes(), 'w.mp4')).json.id}/stream`;
    const waiting = told('?wait=true');
    await eventually(() => worker.queued());
    const began = performance.now();
    await store.restart();
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(await waiting).toEqual([202, 'hls_generating']);
    expect((await store.get(`${kept}/adaptive.m3u8`)).status).toBe(200);
    await eventually(() => !fs.existsSync(orphan) && fs.readdirSync(drafts).join() === 'young');
    await (await worker.take()).fail('done with');
  });

  it('report that no worker can make them', async () => {
    await ask();
    await worker.withdraw();
    const queued = await ask();
    expect([queued.status, queued.json]).toEqual([
      202,
      { detail: 'hls_generating', reason: expect.stringContaining('worker') },
    ]);
    await store.call('DELETE', stream);
    const none = await ask();
    expect([none.status, none.json.reason]).toEqual([404, expect.stringContaining('No worker can make a stream')]);
  });
});
