import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { backends, eventually } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from './support/store.js';
import { READER, tokenOf, WRITER } from './support/tokens.js';

const OTHER = tokenOf('99', { permissions: ['media_store_write'] });
const [backend] = backends();

describe('resumable uploads', () => {
  let store: TestStore;
  beforeAll(async () => {
    if (!backend) throw new Error('no database');
    store = await startStore(backend);
  });
  afterAll(() => store.stop());

  const send = (method: string, target: string, headers: Record<string, string> = {}, body?: Buffer, token = WRITER) =>
    fetch(new URL(target, store.url), {
      method,
      headers: { authorization: `Bearer ${token}`, 'tus-resumable': '1.0.0', ...headers },
      ...(body && { body: new Uint8Array(body) }),
    });
  const begin = async (size: number, metadata: Record<string, string> = {}, token = WRITER): Promise<Response> => {
    const pairs = Object.entries(metadata).map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`);
    return send(
      'POST',
      '/uploads',
      { 'upload-length': String(size), ...(pairs.length > 0 && { 'upload-metadata': pairs.join(',') }) },
      undefined,
      token,
    );
  };
  const append = (target: string, offset: number, body: Buffer, token = WRITER) =>
    send(
      'PATCH',
      target,
      { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
      body,
      token,
    );
  const leftovers = () => fs.readdirSync(path.join(store.mediaDir, '.uploads'));

  it('end in the same entity as a plain upload, across a restart', async () => {
    const bytes = randomBytes(300_000);
    const parent = await store.collection('p');
    const begun = await begin(bytes.length, { filename: 'film.bin', label: 'a film', parent_id: String(parent.id) });
    expect(begun.status).toBe(201);
    const target = begun.headers.get('location') ?? '';
    expect((await append(target, 0, bytes.subarray(0, 100_000))).status).toBe(204);
    await store.restart();
    const head = await send('HEAD', target);
    expect([head.status, head.headers.get('upload-offset')]).toEqual([200, '100000']);
    expect((await append(target, 5, bytes.subarray(5))).status).toBe(409);
    const last = await append(target, 100_000, bytes.subarray(100_000));
    const entity = (await last.json()) as { id: number };
    expect([last.status, entity]).toMatchObject([
      201,
      { label: 'a film', file_name: 'film.bin', parent_id: parent.id, file_size: 300_000, added_by: '7' },
    ]);
    expect((await store.get(`/entities/${entity.id}/media`)).bytes.equals(bytes)).toBe(true);
    expect(leftovers()).toEqual([]);
    const again = await begin(bytes.length);
    const same = await append(again.headers.get('location') ?? '', 0, bytes);
    expect([same.status, ((await same.json()) as { id: number }).id]).toEqual([200, entity.id]);
  });

  it('are finished at the next start where the process died after the last byte', async () => {
    const bytes = randomBytes(5_000);
    const begun = await begin(bytes.length, { label: 'left behind' });
    const id = (begun.headers.get('location') ?? '').split('/').at(-1) ?? '';
    fs.writeFileSync(path.join(store.mediaDir, '.uploads', id), bytes);
    await store.restart();
    const found = await eventually(async () => (await store.list('search_query=left behind')).items[0]);
    expect(found.file_size).toBe(5_000);
    expect(leftovers()).toEqual([]);
  });

  it('are refused without the right, with false metadata, or when too large', async () => {
    expect((await begin(10, {}, READER)).status).toBe(403);
    expect((await begin(10, { parent_id: 'x' })).status).toBe(422);
    expect((await begin(100_000_000)).status).toBe(413);
  });

  it('belong to who began them', async () => {
    const target = (await begin(10)).headers.get('location') ?? '';
    expect((await append(target, 0, Buffer.alloc(10), OTHER)).status).toBe(404);
    expect((await send('HEAD', target, {}, undefined, OTHER)).status).toBe(404);
    expect((await send('DELETE', target, {}, undefined, OTHER)).status).toBe(404);
    expect((await send('DELETE', target)).status).toBe(204);
    expect((await send('HEAD', target)).status).toBe(404);
    for (const id of ['..%2f..%2fx', '..%5cx', 'x'.repeat(32)])
      expect((await append(`/uploads/${id}`, 0, Buffer.alloc(1))).status).toBe(404);
  });

  it('say why the entity was refused', async () => {
    const begun = await begin(10, { parent_id: '999999' });
    const last = await append(begun.headers.get('location') ?? '', 0, randomBytes(10));
    expect([last.status, await last.json()]).toMatchObject([
      422,
      { detail: 'Cannot set parent_id to 999999: parent entity does not exist' },
    ]);
  });
});
