import fs from 'node:fs';
import path from 'node:path';
import { endpoint } from '@cl-server/contract';
import { tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type App, createApp, createMetrics } from '../src/http/index.js';
import { contentDisposition, parseRange } from '../src/http/send-file.js';
import { silentLogger } from '../src/logging/logger.js';
import { sendPath } from './send-path.js';

const file = endpoint({
  id: 'file',
  method: 'GET',
  path: '/files/{name}',
  guard: 'public',
  tag: 'test',
  summary: 'A file',
  params: z.object({ name: z.string() }),
  responses: { 200: { description: 'bytes', content: 'application/octet-stream' } },
});

describe('a range header', () => {
  it.each([
    ['bytes=0-4', { start: 0, end: 4 }],
    ['bytes=7-', { start: 7, end: 9 }],
    ['bytes=-3', { start: 7, end: 9 }],
    ['bytes=-30', { start: 0, end: 9 }],
    ['bytes=8-100', { start: 8, end: 9 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=5-2', undefined],
    ['bytes=0-1,4-5', undefined],
    ['bytes=-', undefined],
    ['items=0-1', undefined],
    [' bytes = 0 - 4 ', { start: 0, end: 4 }],
    ['bytes=1 2-13', undefined],
    [undefined, undefined],
  ] as const)('%s of ten bytes', (header, expected) => {
    expect(parseRange(header, 10)).toEqual(expected);
  });
});

describe('a name offered for saving', () => {
  it.each([
    ['a b.jpg', 'attachment; filename="a b.jpg"'],
    ['é.jpg', `attachment; filename="_.jpg"; filename*=utf-8''%C3%A9.jpg`],
    ['a"\r\nx: y.jpg', `attachment; filename="a___x: y.jpg"; filename*=utf-8''a%22%0D%0Ax%3A%20y.jpg`],
  ])('%j', (name, header) => {
    expect(contentDisposition('attachment', name)).toBe(header);
  });
});

describe('a file sent', () => {
  const dir = tempDir();
  let app: App;
  let base: string;
  beforeAll(async () => {
    fs.writeFileSync(path.join(dir.path, 'ten.txt'), '0123456789');
    fs.writeFileSync(path.join(dir.path, 'empty.txt'), '');
    app = createApp({
      info: { title: 'Test', version: '1', description: '' },
      endpoints: [file],
      authorize: async () => null,
      logger: silentLogger(),
      metrics: createMetrics('test'),
    });
    app.handle(file, ({ params, request, reply }) =>
      sendPath(request, reply, path.join(dir.path, params.name), 'text/plain'),
    );
    base = await app.listen({ host: '127.0.0.1', port: 0 });
  });
  afterAll(async () => {
    await app.close();
    dir.remove();
  });
  const get = (name: string, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(`${base}/files/${name}`, { headers, method });

  it('whole, in part, or only its headers', async () => {
    const whole = await get('ten.txt');
    expect([whole.status, whole.headers.get('content-length'), await whole.text()]).toEqual([200, '10', '0123456789']);
    const part = await get('ten.txt', { range: 'bytes=2-4' });
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 2-4/10', '234']);
    const head = await get('ten.txt', {}, 'HEAD');
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', '']);
    const empty = await get('empty.txt');
    expect([empty.status, await empty.text()]).toEqual([200, '']);
  });

  it('is not sent again to a client that has it, and no part of another content is sent', async () => {
    const etag = (await get('ten.txt')).headers.get('etag') ?? '';
    const modified = (await get('ten.txt')).headers.get('last-modified') ?? '';
    expect((await get('ten.txt', { 'if-none-match': `"x", W/${etag}` })).status).toBe(304);
    expect((await get('ten.txt', { 'if-none-match': '"x"', 'if-modified-since': modified })).status).toBe(200);
    expect((await get('ten.txt', { 'if-modified-since': modified })).status).toBe(304);
    expect((await get('ten.txt', { range: 'bytes=0-1', 'if-range': etag })).status).toBe(206);
    expect((await get('ten.txt', { range: 'bytes=0-1', 'if-range': '"other"' })).status).toBe(200);
  });

  it('is refused to a client that asks for another content, and HEAD ignores ranges', async () => {
    const head = await get('ten.txt', { range: 'bytes=0-3' }, 'HEAD');
    expect([head.status, head.headers.get('content-length'), head.headers.get('content-range')]).toEqual([
      200,
      '10',
      null,
    ]);
    const etag = head.headers.get('etag') ?? '';
    const modified = head.headers.get('last-modified') ?? '';
    const past = new Date(0).toUTCString();
    const cases: readonly [number, Record<string, string>][] = [
      [412, { 'if-match': '"other"' }],
      [412, { 'if-match': '"other"', range: 'bytes=0-3' }],
      [412, { 'if-match': `W/${etag}` }],
      [412, { 'if-match': '"other"', 'if-none-match': etag }],
      [412, { 'if-unmodified-since': past }],
      [200, { 'if-match': `"other", ${etag}` }],
      [206, { 'if-match': '*', range: 'bytes=0-3' }],
      [200, { 'if-match': etag, 'if-unmodified-since': past }],
      [200, { 'if-unmodified-since': modified }],
      [200, { 'if-unmodified-since': 'some day' }],
    ];
    for (const [status, headers] of cases) {
      const answer = await get('ten.txt', headers);
      expect([headers, answer.status]).toEqual([headers, status]);
      if (status === 412)
        expect([answer.headers.get('etag'), (await answer.json()).code]).toEqual([etag, 'precondition_failed']);
    }
    expect((await get('ten.txt', { 'if-match': '"other"' }, 'HEAD')).status).toBe(412);
  });

  it('refuses a range outside, as JSON', async () => {
    const outside = await get('ten.txt', { range: 'bytes=10-' });
    expect([outside.status, outside.headers.get('content-range')]).toEqual([416, 'bytes */10']);
    expect(await outside.json()).toMatchObject({ code: 'range_not_satisfiable' });
  });
});
