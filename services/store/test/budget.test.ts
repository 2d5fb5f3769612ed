import { randomBytes } from 'node:crypto';
import type { Entity, StorageUse } from '@cl-server/contract';
import { discoverTasks } from '@cl-server/task-kit';
import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from './support/store.js';
import { ADMIN, tokenOf } from './support/tokens.js';

const LIMIT = 10_000;
const ANN = tokenOf('7', { permissions: ['media_store_write', 'ai_inference_support'] });
const BYTES = 'application/offset+octet-stream';

const places = backends().flatMap((backend) => [
  { name: `one ${backend.name} database`, backend, apart: false },
  { name: `two ${backend.name} databases`, backend, apart: true },
]);

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

  const addEntity = (size: number) => {
    const media_file = { name: 'a.bin', bytes: randomBytes(size) };
    return store.call('POST', '/entities', { token: ANN, form: { is_collection: 'false', media_file } });
  };
  const addJob = (size: number) =>
    store.call<{ job_id: string }>('POST', '/jobs/exif', {
      token: ANN,
      form: { file: { name: 'a.bin', bytes: randomBytes(size) } },
    });
  const tus = (method: string, target: string, headers: Record<string, string>, body?: Buffer) =>
    fetch(new URL(target, store.url), {
      method,
      headers: { authorization: `Bearer ${ANN}`, 'tus-resumable': '1.0.0', ...headers },
      ...(body && { body: new Uint8Array(body) }),
    });
  const begin = (size: number) => tus('POST', '/uploads', { 'upload-length': String(size) });
  const append = (target: string, body: Buffer, more: Record<string, string> = {}) =>
    tus('PATCH', target, { 'upload-offset': '0', 'content-type': BYTES, ...more }, body);
  const parts = async () => {
    const { json } = await store.get<StorageUse>('/system/storage', { token: ADMIN });
    return json.users.find(({ user_id }) => user_id === '7');
  };

  it('is one over entities, jobs and uploads; what is removed makes room; reading and deleting always work', async () => {
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
});
