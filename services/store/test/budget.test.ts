import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Entity, StorageUse } from '@cl-server/contract';
import type { JobTables, Usage } from '@cl-server/jobs';
import { type Database, silentLogger } from '@cl-server/service-kit';
import { discoverTasks } from '@cl-server/task-kit';
import { backends, eventually, hasFfmpeg, makeVideo, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Budget } from '../src/database/budget.js';
import type { StoreTables } from '../src/index.js';
import { startStore, type TestStore } from './support/store.js';
import { StreamWorker, streamTasks } from './support/stream-worker.js';
import { ADMIN, tokenOf } from './support/tokens.js';

const LIMIT = 10_000;
const ANN = tokenOf('7', { permissions: ['media_store_write', 'ai_inference_support'] });
const BOB = tokenOf('8', { permissions: ['media_store_write', 'ai_inference_support'] });
const BYTES = 'application/offset+octet-stream';

const places = backends().flatMap((backend) => [
  { name: `one ${backend.name} database`, backend, apart: false },
  { name: `two ${backend.name} databases`, backend, apart: true },
]);

it('saves the sum of a user that changes beside an upload, even if the upload fails', async () => {
  const saved: (string | undefined)[] = [];
  const usage = {
    claim: async () => ({ ok: true }),
    saveEntityBytes: async (_user: string | null, _bytes: unknown, claim?: string) => void saved.push(claim),
  } as unknown as Usage;
  const database = { kysely: {} } as Database<StoreTables>;
  const jobDatabase = { kysely: {} } as Database<JobTables>;
  const budget = new Budget({ usage, database, jobDatabase, limit: LIMIT, logger: silentLogger(), now: Date.now });
  const upload = budget.hold(
    '7',
    1,
    async () => {
      await budget.changed(['7']);
      throw new Error('broken');
    },
    'upload:1',
  );
  await expect(upload).rejects.toThrow('broken');
  // The claim is kept, because the upload may be finished later.
  expect(saved).toEqual([undefined]);
});

describe.each(places)('the budget of a user in $name', ({ backend, apart }) => {
  let store: TestStore;
  let drop: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    const jobs = apart ? await backend.create() : undefined;
    drop = jobs?.drop;
    store = await startStore(backend, {
      limits: { userBytes: LIMIT, totalBytes: 0 },
      tasks: await discoverTasks({}),
      ...(jobs && { jobDatabaseUrl: jobs.url }),
    });
  });
  afterAll(async () => {
    await store.stop();
    await drop?.();
  });

  const addEntity = (size: number, token = ANN) => {
    const media_file = { name: 'a.bin', bytes: randomBytes(size) };
    return store.call('POST', '/entities', { token, form: { is_collection: 'false', media_file } });
  };
  const addJob = (size: number) =>
    store.call<{ job_id: string }>('POST', '/jobs/exif', {
      token: ANN,
      form: { file: { name: 'a.bin', bytes: randomBytes(size) } },
    });
  const tus = (method: string, target: string, headers: Record<string, string>, body?: Buffer | ReadableStream) =>
    fetch(new URL(target, store.url), {
      method,
      headers: { authorization: `Bearer ${ANN}`, 'tus-resumable': '1.0.0', ...headers },
      ...(body && { body: body instanceof ReadableStream ? body : new Uint8Array(body), duplex: 'half' }),
    });
  const begin = (size: number) => tus('POST', '/uploads', { 'upload-length': String(size) });
  const append = (target: string, body: Buffer, more: Record<string, string> = {}) =>
    tus('PATCH', target, { 'upload-offset': '0', 'content-type': BYTES, ...more }, body);
  const parts = async (user = '7') => {
    const { json } = await store.get<StorageUse>('/system/storage', { token: ADMIN });
    return json.users.find(({ user_id }) => user_id === user);
  };

  it('is one over entities, jobs and uploads; removed files free space; reading and deleting always work', async () => {
    const entity = await addEntity(3_000);
    const job = await addJob(2_000);
    const upload = await begin(4_000);
    expect([entity.status, job.status, upload.status]).toEqual([201, 200, 201]);
    expect(await parts()).toEqual({
      user_id: '7',
      entities: 1,
      bytes: 3_000,
      job_input_bytes: 2_000,
      job_result_bytes: 0,
      upload_bytes: 4_000,
      stream_bytes: 0,
      total_bytes: 9_000,
      quota: LIMIT,
    });
    const refusals = [await addEntity(1_001), await addJob(1_001)];
    for (const refused of refusals)
      expect([refused.status, refused.json]).toMatchObject([
        413,
        { code: 'quota_exceeded', used: 9_000, allowed: LIMIT },
      ]);
    expect((await begin(1_001)).status).toBe(413);

    await store.restart();
    expect(await parts()).toMatchObject({ total_bytes: 9_000 });
    // An upload that becomes an entity counts once.
    const target = upload.headers.get('location') ?? '';
    const finished = await append(target, randomBytes(4_000));
    expect(finished.status).toBe(201);
    expect(await parts()).toMatchObject({ entities: 2, bytes: 7_000, upload_bytes: 0, total_bytes: 9_000 });

    const fill = await addJob(1_000);
    expect(fill.status).toBe(200);
    expect((await addEntity(1)).status).toBe(413);
    expect((await store.get(`/entities/${entity.json.id}`, { token: ADMIN })).status).toBe(200);
    const { id } = (await finished.json()) as Entity;
    await store.call('PATCH', `/entities/${id}`, { token: ANN, form: { is_deleted: 'true' } });
    expect((await store.call('DELETE', `/entities/${id}`, { token: ANN })).status).toBe(204);
    expect((await addJob(3_999)).status).toBe(200);
    for (const { json } of [job, fill])
      expect((await store.call('DELETE', `/jobs/${json.job_id}`, { token: ANN })).status).toBe(204);
    expect((await addEntity(3_000)).status).toBe(201);
  });

  it('holds against entities, jobs and uploads that arrive at once, and an upload of unknown length', async () => {
    const before = (await parts())?.total_bytes ?? 0;
    expect(before).toBe(9_999);
    for (const { id } of (await store.list()).items) {
      await store.call('PATCH', `/entities/${id}`, { token: ANN, form: { is_deleted: 'true' } });
      await store.call('DELETE', `/entities/${id}`, { token: ANN });
    }
    const room = LIMIT - 3_999;
    const replies = await Promise.all([0, 1, 2, 3].flatMap(() => [addEntity(1_000), addJob(1_000), begin(1_000)]));
    const accepted = replies.filter(({ status }) => status < 300).length;
    expect(accepted).toBeLessThanOrEqual(Math.floor(room / 1_000));
    expect(accepted).toBeGreaterThan(0);
    expect((await parts())?.total_bytes).toBe(3_999 + accepted * 1_000);

    const deferred = await tus('POST', '/uploads', { 'upload-defer-length': '1' });
    expect(deferred.status).toBe(201);
    const target = deferred.headers.get('location') ?? '';
    expect((await append(target, randomBytes(7_000))).status).toBe(413);
    expect((await append(target, randomBytes(1), { 'upload-length': '7000' })).status).toBe(413);
    expect((await tus('DELETE', target, {})).status).toBe(204);
  });

  it('counts an upload without a length as its bytes arrive, also those of the first request', async () => {
    /** Sends the body in chunks, so that no header has the number of bytes. */
    const send = (method: string, target: string, headers: Record<string, string>, bytes: number) => {
      const body = new ReadableStream({
        start(controller) {
          for (let left = bytes; left > 0; left -= 100)
            controller.enqueue(new Uint8Array(randomBytes(Math.min(100, left))));
          controller.close();
        },
      });
      return tus(method, target, { authorization: `Bearer ${BOB}`, 'content-type': BYTES, ...headers }, body);
    };
    const used = async () => (await parts('8'))?.total_bytes ?? 0;
    const unknown = { 'upload-defer-length': '1' };
    expect((await send('POST', '/uploads', unknown, LIMIT + 1)).status).toBe(413);
    expect(await used(), 'of an upload that was refused as it began').toBe(0);
    const begun = await send('POST', '/uploads', unknown, LIMIT - 300);
    expect([begun.status, await used()]).toEqual([201, LIMIT - 300]);
    const target = begun.headers.get('location') ?? '';
    const at = (offset: number) => ({ 'upload-offset': String(offset) });
    expect((await send('PATCH', target, at(LIMIT - 300), 200)).status).toBe(204);
    expect(await used()).toBe(LIMIT - 100);
    expect((await addEntity(101, BOB)).status).toBe(413);
    expect((await send('PATCH', target, at(LIMIT - 100), 101)).status).toBe(413);
    expect((await tus('DELETE', target, { authorization: `Bearer ${BOB}` })).status).toBe(204);
    expect(await used()).toBe(0);
  });
});

describe.runIf(hasFfmpeg()).each(places)('streams in the budget of a user in $name', ({ backend, apart }) => {
  const dir = tempDir('cl-stream-budget-');
  const streamsDir = path.join(dir.path, 'streams');
  const MASTER = '#EXTM3U\n';
  const LIVE = '#EXTM3U\n#EXT-X-VERSION:3\n';
  let store: TestStore;
  let worker: StreamWorker;
  let drop: (() => Promise<void>) | undefined;
  let clip: Buffer;
  let limit = 0;
  beforeAll(async () => {
    clip = fs.readFileSync(makeVideo(path.join(dir.path, 'v.mp4'), { seconds: 1, audio: false }));
    limit = 6 * clip.length; // a little less than six videos
    const jobs = apart ? await backend.create() : undefined;
    drop = jobs?.drop;
    store = await startStore(backend, {
      limits: { userBytes: limit, totalBytes: 0 },
      tasks: streamTasks,
      streamsDir,
      countStreamsEvery: 50,
      ...(jobs && { jobDatabaseUrl: jobs.url }),
    });
    worker = new StreamWorker(jobs?.url ?? store.databaseUrl);
    await worker.announce();
  });
  afterAll(async () => {
    await worker.close();
    await store.stop();
    await drop?.();
    dir.remove();
  });

  const addVideo = async () => {
    const media_file = { name: 'v.mp4', bytes: Buffer.concat([clip, randomBytes(16)]) };
    const form = { is_collection: 'false', media_file };
    const { json, status } = await store.call('POST', '/entities', { token: ANN, form });
    expect(status).toBe(201);
    return json;
  };
  // Another user requests the stream: the bytes count for the user who added the video.
  const ask = (id: number) =>
    store.get<{ detail: string; reason?: string }>(`/entities/${id}/stream/adaptive.m3u8`, { token: ADMIN });
  const kept = async (user_id = '7') => {
    const { json } = await store.get<StorageUse>('/system/storage', { token: ADMIN });
    const user = json.users.find((one) => one.user_id === user_id);
    if (user) expect(user.total_bytes).toBe(user.bytes + user.stream_bytes);
    return user?.stream_bytes ?? 0;
  };
  const becomes = (bytes: number) => eventually(async () => (await kept()) === bytes, { what: `${bytes} bytes` });

  it('count from their begin, grow and shrink with their files, and go with the stream, the file and the entity', async () => {
    const video = await addVideo();
    const size = Number(video.file_size);
    expect(await kept()).toBe(0);
    expect((await ask(video.id)).status).toBe(202);
    expect(await kept()).toBe(size);
    const job = await worker.take();
    job.put('adaptive-live.m3u8', LIVE);
    job.put('adaptive-orig-000.ts', 'x'.repeat(size));
    await becomes(size + LIVE.length);
    job.put('adaptive.m3u8', MASTER);
    await job.complete();
    await becomes(size + LIVE.length + MASTER.length);
    expect(await kept('1')).toBe(0);
    await store.restart();
    expect(await kept()).toBe(size + LIVE.length + MASTER.length);

    expect((await store.call('DELETE', `/entities/${video.id}/stream`, { token: ANN })).status).toBe(204);
    expect(await kept()).toBe(0);
    expect((await ask(video.id)).status).toBe(202);
    expect(await kept()).toBe(size);
    await (await worker.take()).fail('broken');
    await becomes(0);
    await store.call('PATCH', `/entities/${video.id}`, { token: ANN, form: { is_deleted: 'true' } });
    await store.call('DELETE', `/entities/${video.id}`, { token: ANN });
  });

  it('are stopped when they exceed the budget, and not started if there is no space for one', async () => {
    const video = await addVideo();
    await ask(video.id);
    const job = await worker.take();
    job.put('adaptive-live.m3u8', LIVE);
    job.put('adaptive-orig-000.ts', 'x'.repeat(limit));
    await eventually(() => !fs.existsSync(job.folder), { what: 'the end of the stream' });
    expect(await job.complete(), 'of a job that is gone').toBe(false);
    const refused = await ask(video.id);
    // It may be tried again at once after the first failure, and then there is room for its begin.
    expect(refused.status).toBe(202);
    await store.call('DELETE', `/entities/${video.id}/stream`, { token: ANN });
    const others = [await addVideo(), await addVideo(), await addVideo()];
    expect((await ask(video.id)).json).toMatchObject({ detail: 'hls_generating' });
    const full = await ask(others[0]?.id ?? 0);
    expect([full.status, full.json.detail, full.json.reason]).toEqual([
      404,
      'hls_failed',
      expect.stringContaining('quota'),
    ]);
    for (const { id } of [video, ...others]) {
      await store.call('PATCH', `/entities/${id}`, { token: ANN, form: { is_deleted: 'true' } });
      await store.call('DELETE', `/entities/${id}`, { token: ANN });
    }
    await becomes(0);
  });

  it('are counted by their files when the store starts, also after files were written or removed meanwhile', async () => {
    const video = await addVideo();
    await ask(video.id);
    const job = await worker.take();
    job.put('adaptive.m3u8', MASTER);
    await job.complete();
    await becomes(MASTER.length);
    fs.renameSync(streamsDir, `${streamsDir}-away`);
    await store.restart();
    await becomes(0);
    fs.rmSync(streamsDir, { recursive: true, force: true });
    fs.renameSync(`${streamsDir}-away`, streamsDir);
    await store.restart();
    await becomes(MASTER.length);
  });
});
