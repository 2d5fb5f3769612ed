import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { Readable } from 'node:stream';
import { backends, eventually } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from './support/store.js';
import { READER, tokenOf, WRITER } from './support/tokens.js';

const OTHER = tokenOf('99', { permissions: ['media_store_write'] });
const BYTES = 'application/offset+octet-stream';
const [backend] = backends();

describe('resumable uploads', () => {
  let store: TestStore;
  beforeAll(async () => {
    if (!backend) throw new Error('no database');
    store = await startStore(backend, { http: { allowedHosts: ['media.example.org'] } });
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
    send('PATCH', target, { 'upload-offset': String(offset), 'content-type': BYTES }, body, token);
  const folder = () => path.join(store.mediaDir, '.uploads');
  /** Files of uploads, without the records of finished ones. */
  const leftovers = () =>
    fs.readdirSync(folder()).filter((name) => {
      const text = fs.readFileSync(path.join(folder(), name), 'utf8');
      return !name.endsWith('.json') || !text.includes('entity_id');
    });
  const reply = async (response: Response) => [response.status, await response.json()] as const;

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

  it('are limited in number for each user, also across a restart, and a cancelled one frees its place', async () => {
    const MANY = tokenOf('12', { permissions: ['media_store_write'] });
    const beginSome = (count: number) =>
      Promise.all(
        Array.from({ length: count }, () => begin(10, {}, MANY).then(({ status, headers }) => ({ status, headers }))),
      );
    const begun: Awaited<ReturnType<typeof beginSome>> = [];
    while (begun.length < 1_000) begun.push(...(await beginSome(50)));
    expect(begun.every(({ status }) => status === 201)).toBe(true);
    await store.restart();
    const [refused] = await beginSome(5);
    expect([refused?.status, refused?.headers.get('retry-after')]).toEqual([429, '60']);
    expect((await begin(10)).status, 'of another user').toBe(201);
    const target = begun[0]?.headers.get('location') ?? '';
    expect((await send('DELETE', target, {}, undefined, MANY)).status).toBe(204);
    expect((await beginSome(2)).map(({ status }) => status).sort()).toEqual([201, 429]);
    const last = begun[1]?.headers.get('location') ?? '';
    expect((await append(last, 0, randomBytes(10), MANY)).status).toBe(201);
    expect((await begin(10, {}, MANY)).status).toBe(201);
    fs.rmSync(folder(), { recursive: true });
    fs.mkdirSync(folder());
    await store.restart();
  });

  it('are finished at the next start if the process died after the last byte', async () => {
    const bytes = randomBytes(5_000);
    const begun = await begin(bytes.length, { label: 'left behind' });
    const id = (begun.headers.get('location') ?? '').split('/').at(-1) ?? '';
    fs.writeFileSync(path.join(store.mediaDir, '.uploads', id), bytes);
    await store.restart();
    const found = await eventually(async () => (await store.list('search_query=left behind')).items[0]);
    expect(found.file_size).toBe(5_000);
    expect(leftovers()).toEqual([]);
  });

  it('are refused without the permission, with invalid metadata, or when too large', async () => {
    expect((await begin(10, {}, READER)).status).toBe(403);
    expect((await begin(10, { parent_id: 'x' })).status).toBe(422);
    expect((await begin(100_000_000)).status).toBe(413);
  });

  it('belong to the user who created them', async () => {
    const target = (await begin(10)).headers.get('location') ?? '';
    expect((await append(target, 0, Buffer.alloc(10), OTHER)).status).toBe(404);
    expect((await send('HEAD', target, {}, undefined, OTHER)).status).toBe(404);
    expect((await send('DELETE', target, {}, undefined, OTHER)).status).toBe(404);
    expect((await send('DELETE', target)).status).toBe(204);
    expect((await send('HEAD', target)).status).toBe(404);
    for (const id of ['..%2f..%2fx', '..%5cx', 'x'.repeat(32)])
      expect((await append(`/uploads/${id}`, 0, Buffer.alloc(1))).status).toBe(404);
  });

  it('are refused at creation if the reason is known by then, and leave nothing behind', async () => {
    const noParent = await begin(10, { parent_id: '999999' });
    expect(await reply(noParent)).toMatchObject([
      422,
      { detail: 'Cannot set parent_id to 999999: parent entity does not exist' },
    ]);
    expect(await reply(await begin(0))).toMatchObject([422, { detail: 'The file is empty' }]);
    const tooMany = await send('POST', '/uploads', { 'upload-length': '5', 'content-type': BYTES }, randomBytes(9));
    expect(tooMany.status).toBe(413);
    const deferred = await send('POST', '/uploads', { 'upload-defer-length': '1' });
    const empty = await send(
      'PATCH',
      deferred.headers.get('location') ?? '',
      { 'upload-offset': '0', 'upload-length': '0', 'content-type': BYTES },
      Buffer.alloc(0),
    );
    expect(empty.status).toBe(422);
    expect(leftovers()).toEqual([]);
  });

  it('are removed if the entity is refused after the last byte', async () => {
    const parent = await store.collection('soon gone');
    const target = (await begin(10, { parent_id: String(parent.id) })).headers.get('location') ?? '';
    await store.patch(parent.id, { is_deleted: 'true' });
    expect(await reply(await append(target, 0, randomBytes(10)))).toMatchObject([
      422,
      { detail: expect.stringContaining('parent entity is deleted') },
    ]);
    expect(leftovers()).toEqual([]);
  });

  it('accept the whole file with the first request, new or known', async () => {
    const bytes = randomBytes(5_000);
    const whole = { 'upload-length': '5000', 'content-type': BYTES };
    const first = await send('POST', '/uploads', whole, bytes);
    const { id } = (await first.json()) as { id: number };
    expect([first.status, first.headers.get('upload-offset')]).toEqual([201, '5000']);
    expect((await store.get(`/entities/${id}/media`)).bytes.equals(bytes)).toBe(true);
    const second = await send('POST', '/uploads', whole, bytes);
    expect(await reply(second)).toMatchObject([200, { id }]);
    expect(second.headers.get('location')).toMatch(/^\/uploads\/[0-9a-f]{32}$/);
    expect(leftovers()).toEqual([]);
  });

  it('are remembered when finished, so that a lost response does no harm, until they are deleted', async () => {
    const bytes = randomBytes(2_000);
    const target = (await begin(bytes.length)).headers.get('location') ?? '';
    const { id } = (await (await append(target, 0, bytes)).json()) as { id: number };
    await store.restart();
    const head = await send('HEAD', `${target}?_=${id}`);
    expect([head.status, head.headers.get('upload-offset'), head.headers.get('upload-length')]).toEqual([
      200,
      '2000',
      '2000',
    ]);
    expect(head.headers.get('x-entity-id')).toBe(String(id));
    expect(await reply(await append(target, 2_000, Buffer.alloc(0)))).toMatchObject([200, { id }]);
    expect((await append(target, 0, bytes)).status).toBe(409);
    expect((await send('DELETE', target)).status).toBe(204);
    expect((await send('HEAD', target)).status).toBe(404);
    expect((await store.get(`/entities/${id}`)).status).toBe(200);
  });

  it('follow the protocol in every response, and errors are JSON', async () => {
    const discovery = await fetch(new URL('/uploads', store.url), { method: 'OPTIONS' });
    expect([discovery.status, discovery.headers.get('tus-version'), discovery.headers.get('tus-max-size')]).toEqual([
      204,
      '1.0.0',
      '50000000',
    ]);
    expect(discovery.headers.get('tus-extension')?.split(',')).toEqual(
      expect.arrayContaining([
        'creation',
        'creation-with-upload',
        'creation-defer-length',
        'termination',
        'expiration',
      ]),
    );
    const target = (await begin(100)).headers.get('location') ?? '';
    const next = { 'upload-offset': '0', 'content-type': BYTES };
    const answers: readonly [status: number, Response][] = [
      [204, await send('POST', target, { ...next, 'x-http-method-override': 'PATCH' }, randomBytes(10))],
      [412, await send('POST', '/uploads', { 'tus-resumable': '0.2.2', 'upload-length': '10' })],
      [412, await send('PATCH', target, { ...next, 'tus-resumable': '2.0.0' }, randomBytes(10))],
      [401, await fetch(new URL('/uploads', store.url), { method: 'POST', headers: { 'tus-resumable': '1.0.0' } })],
      [415, await send('PATCH', target, { ...next, 'content-type': 'text/plain' }, randomBytes(10))],
      [415, await send('PATCH', target, { ...next, 'content-type': 'application/json' }, Buffer.from('{}'))],
      [400, await send('PATCH', target, { 'content-type': BYTES }, randomBytes(10))],
      [400, await send('PATCH', target, { ...next, 'upload-offset': '-1' }, randomBytes(10))],
      [409, await append(target, 5, randomBytes(5))],
      [413, await append(target, 10, randomBytes(95))],
      [405, await send('GET', target)],
      [405, await send('POST', target)],
      [400, await send('POST', '/uploads')],
      [501, await send('POST', '/uploads', { 'upload-length': '10', 'upload-concat': 'partial' })],
    ];
    for (const [status, answer] of answers) {
      expect([status, answer.status, answer.headers.get('tus-resumable')]).toEqual([status, status, '1.0.0']);
      if (status === 412) expect(answer.headers.get('tus-version')).toBe('1.0.0');
      if (status === 405) expect(answer.headers.get('allow')).toBe('DELETE, HEAD, OPTIONS, PATCH, POST');
      if (status !== 204)
        expect(await answer.json()).toMatchObject({ detail: expect.any(String), code: expect.any(String) });
    }
    expect((await send('HEAD', target)).headers.get('upload-metadata')).toBeNull();
    expect((await send('DELETE', target)).status).toBe(204);
  });

  it('refuse an invalid request in the middle of a piece', async () => {
    const patch = (target: string, body: AsyncIterable<Buffer>) => {
      const headers = { authorization: `Bearer ${WRITER}`, 'upload-offset': '0', 'content-type': BYTES };
      const init = {
        method: 'PATCH',
        headers: { ...headers, 'tus-resumable': '1.0.0' },
        body: Readable.toWeb(Readable.from(body)),
        duplex: 'half',
      };
      return fetch(new URL(target, store.url), init as unknown as RequestInit);
    };
    const small = (await begin(100)).headers.get('location') ?? '';
    async function* tooMuch() {
      yield randomBytes(50);
      yield randomBytes(150);
    }
    expect((await patch(small, tooMuch())).status).toBe(413);
    const dropped = (await begin(4_000)).headers.get('location') ?? '';
    async function* interrupted() {
      yield randomBytes(500);
      const arrived = async () => (await fs.promises.stat(path.join(folder(), path.basename(dropped)))).size === 500;
      await eventually(arrived);
      expect((await send('DELETE', dropped)).status).toBe(204);
      yield randomBytes(500);
    }
    expect(await reply(await patch(dropped, interrupted()))).toMatchObject([410, { code: 'gone' }]);
    expect((await send('HEAD', dropped)).status).toBe(404);
    expect(leftovers().filter((name) => name.startsWith(path.basename(dropped)))).toEqual([]);
  });

  it('are taken over from a connection that hangs, with all bytes that arrived', async () => {
    const target = (await begin(1_000)).headers.get('location') ?? '';
    const hanging = net.connect(Number(new URL(store.url).port), '127.0.0.1');
    hanging.on('error', () => undefined);
    hanging.write(
      `PATCH ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${WRITER}\r\nTus-Resumable: 1.0.0\r\n` +
        `Upload-Offset: 0\r\nContent-Type: ${BYTES}\r\nContent-Length: 1000\r\n\r\n`,
    );
    hanging.write(Buffer.alloc(400, 1));
    await eventually(async () => fs.statSync(path.join(folder(), path.basename(target))).size === 400);
    const head = await send('HEAD', target);
    expect(head.headers.get('upload-offset')).toBe('400');
    expect((await append(target, 400, Buffer.alloc(600, 2))).status).toBe(201);
    hanging.destroy();
  });

  it('work behind a path prefix', async () => {
    const at = async (headers: Record<string, string>, asked = '/uploads'): Promise<string> => {
      // `fetch` sets its own Host.
      const request = http.request(new URL(asked, store.url), {
        method: 'POST',
        headers: { authorization: `Bearer ${WRITER}`, 'tus-resumable': '1.0.0', 'upload-length': '5', ...headers },
      });
      request.end();
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      response.resume();
      const outside = `https://media.example.org/cl${asked}`;
      return new URL(response.headers.location ?? '', outside).href.replace(/[0-9a-f]{32}$/, '');
    };
    const right = 'https://media.example.org/cl/uploads/';
    expect(await at({ host: 'media.example.org' })).toBe(right);
    expect(await at({ host: 'media.example.org' }, '/uploads/')).toBe(right);
    expect(await at({ 'x-forwarded-for': '192.0.2.1' }, '/uploads?x=1')).toBe(right);
    expect(await at({ 'x-forwarded-prefix': '/cl/' })).toBe(right);
    expect(await at({ 'x-forwarded-prefix': '//evil.example' })).not.toContain('evil');
  });
});

describe('resumable uploads from other origins', () => {
  it('are allowed for the configured origins only', async () => {
    if (!backend) throw new Error('no database');
    for (const [corsOrigins, seen] of [
      [[], null],
      [['https://app.example.org'], 'https://app.example.org'],
    ] as const) {
      const store = await startStore(backend, { http: { corsOrigins } });
      const headers = {
        origin: 'https://app.example.org',
        'tus-resumable': '1.0.0',
        authorization: `Bearer ${WRITER}`,
      };
      const answers = [
        await fetch(`${store.url}/uploads`, { method: 'POST', headers: { ...headers, 'upload-length': '5' } }),
        await fetch(`${store.url}/uploads`, { method: 'POST', headers }),
        await fetch(`${store.url}/uploads`, {
          method: 'OPTIONS',
          headers: { origin: headers.origin, 'access-control-request-method': 'POST' },
        }),
      ];
      for (const answer of answers) expect(answer.headers.get('access-control-allow-origin')).toBe(seen);
      expect(answers[2]?.headers.get('tus-version')).toBe('1.0.0');
      const foreign = await fetch(`${store.url}/uploads`, {
        method: 'OPTIONS',
        headers: { origin: 'https://other.example.org', 'access-control-request-method': 'POST' },
      });
      expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
      await store.stop();
    }
  });
});
