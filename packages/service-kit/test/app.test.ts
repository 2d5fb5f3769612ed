import { once } from 'node:events';
import net from 'node:net';
import { endpoint, field } from '@cl-server/contract';
import { tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type App, createApp } from '../src/http/app.js';
import { withEmptyForms } from '../src/http/documents-forms.js';
import { createMetrics } from '../src/http/metrics.js';
import { silentLogger } from '../src/logging/logger.js';

const echo = endpoint({
  id: 'echo',
  method: 'POST',
  path: '/echo/{n}',
  guard: 'public',
  tag: 'test',
  summary: 'Gives back what it understood',
  params: z.object({ n: field.int({ ge: 1 }) }),
  form: z.object({ flag: field.bool().default(false), label: field.text().optional() }),
  files: { file: { required: false, description: 'any file' } },
  responses: { 201: { description: 'ok', schema: z.unknown() } },
});

describe('an app made from its endpoint table', () => {
  const dir = tempDir();
  let app: App;
  let base: string;

  beforeEach(async () => {
    app = createApp({
      info: { title: 'Test', version: '1', description: '' },
      endpoints: [echo],
      authorize: async () => null,
      logger: silentLogger(),
      metrics: createMetrics('test'),
      uploads: { folder: dir.path, maxBytes: 1000 },
      checkResponses: true,
    });
    app.handle(echo, ({ params, form, files }) => ({
      ...params,
      ...form,
      files: files.map((f) => [f.filename, f.size, f.md5]),
    }));
    base = await app.listen({ host: '127.0.0.1', port: 0 });
  });
  afterEach(async () => {
    await app.close();
    dir.remove();
  });

  it('reads urlencoded and multipart forms alike, an empty text as absent', async () => {
    const url = await fetch(`${base}/echo/05/`, {
      method: 'POST',
      body: new URLSearchParams({ flag: 'YES', label: '' }),
    });
    expect([url.status, await url.json()]).toEqual([201, { n: 5, flag: true, files: [] }]);
    const form = new FormData();
    form.append('file', new Blob(['hello']), '../../x y.txt');
    form.append('label', 'a');
    const multi = await fetch(`${base}/echo/5`, { method: 'POST', body: form });
    expect(await multi.json()).toEqual({
      n: 5,
      flag: false,
      label: 'a',
      files: [['x y.txt', 5, '5d41402abc4b2a76b9719d911017c592']],
    });
  });

  it('refuses JSON where a form is due, instead of doing nothing; an empty body is an empty form', async () => {
    const send = async (body: string | undefined, type = 'application/json') => {
      const answer = await fetch(`${base}/echo/5`, {
        method: 'POST',
        ...(body !== undefined && { body, headers: { 'content-type': type } }),
      });
      return [answer.status, await answer.json()];
    };
    const refusal = { detail: expect.stringContaining('send application/x-www-form-urlencoded') };
    for (const body of ['{"flag":true}', '{"label":"a"}', '[1]', '"flag"', '7'])
      expect([body, await send(body)]).toEqual([body, [415, expect.objectContaining(refusal)]]);
    for (const body of [undefined, '{}', 'null']) expect((await send(body))[0]).toBe(201);
    expect((await send('label=a', 'Application/X-WWW-Form-Urlencoded; charset=utf-8'))[1]).toMatchObject({
      label: 'a',
    });
    const both = await fetch(`${base}/echo/0`, {
      method: 'POST',
      body: '{"flag":true}',
      headers: { 'content-type': 'application/json' },
    });
    expect([both.status, await both.json()]).toMatchObject([
      422,
      { detail: [{ loc: ['path', 'n'] }], hint: expect.stringContaining('not JSON') },
    ]);
  });

  it('measures requests by route, method and status, in cumulative buckets', async () => {
    await fetch(`${base}/echo/5`, { method: 'POST', body: new URLSearchParams() });
    await fetch(`${base}/echo/5`, { method: 'POST', body: new URLSearchParams() });
    const text = await (await fetch(`${base}/metrics`)).text();
    const labels = 'method="POST",route="/echo/:n",status="201",service="test"';
    expect(text).toContain('# TYPE cls_http_request_duration_seconds histogram');
    expect(text).toContain(`cls_http_request_duration_seconds_bucket{le="+Inf",${labels}} 2`);
    expect(text).toContain(`cls_http_request_duration_seconds_count{${labels}} 2`);
  });

  it('says every fault at once in the documented form', async () => {
    const answer = await fetch(`${base}/echo/0`, { method: 'POST', body: new URLSearchParams({ flag: 'maybe' }) });
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({
      code: 'validation',
      detail: [
        { type: 'greater_than_equal', loc: ['path', 'n'], input: '0', ctx: { ge: 1 } },
        { type: 'bool_parsing', loc: ['body', 'flag'], input: 'maybe' },
      ],
    });
  });

  it('takes no text where a file is due, in either encoding', async () => {
    const form = new FormData();
    form.append('file', 'words');
    for (const body of [form, new URLSearchParams({ file: 'words' })]) {
      const answer = await fetch(`${base}/echo/5`, { method: 'POST', body });
      expect(answer.status).toBe(422);
      expect(await answer.json()).toMatchObject({ detail: [{ type: 'value_error', loc: ['body', 'file'] }] });
    }
    const empty = await fetch(`${base}/echo/5`, { method: 'POST', body: new URLSearchParams({ file: '' }) });
    expect(empty.status).toBe(201);
  });

  it('answers in the same form what never became a request', async () => {
    const say = async (text: string): Promise<string> => {
      const socket = net.connect(Number(new URL(base).port), '127.0.0.1');
      let answer = '';
      socket.on('data', (chunk) => {
        answer += String(chunk);
      });
      socket.write(text);
      await once(socket, 'close');
      return answer;
    };
    const large = await say(`GET /livez HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${'a'.repeat(20_000)}\r\n\r\n`);
    expect(large).toMatch(
      /^HTTP\/1\.1 431 [\s\S]*"detail":"[^"]+","code":"headers_too_large","request_id":"[\w-]+"\}$/,
    );
    expect(await say('hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"bad_request"/);
  });

  it('answers a URL that cannot be decoded as JSON, too', async () => {
    const answer = await fetch(`${base}/echo/%zz`, { method: 'POST' });
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'bad_request' }]);
  });

  it('closes at once, though a connection was opened on which nothing was asked', async () => {
    const socket = net.connect(Number(new URL(base).port), '127.0.0.1');
    await once(socket, 'connect');
    await fetch(`${base}/livez`);
    const start = performance.now();
    await app.close();
    expect(performance.now() - start).toBeLessThan(5_000);
    await once(socket, 'close');
  });

  it('refuses what is too large, unknown or asked wrongly', async () => {
    const form = new FormData();
    form.append('file', new Blob(['x'.repeat(2000)]), 'x');
    expect((await fetch(`${base}/echo/5`, { method: 'POST', body: form })).status).toBe(413);
    expect((await fetch(`${base}/none`)).status).toBe(404);
    const wrong = await fetch(`${base}/echo/5`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'OPTIONS, POST']);
    const asked = await fetch(`${base}/livez`, { method: 'OPTIONS' });
    expect([asked.status, asked.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
    expect((await fetch(`${base}/none`, { method: 'OPTIONS' })).status).toBe(404);
    for (const path of ['/livez', '/readyz', '/metrics', '/openapi.json', '/docs'])
      expect([path, (await fetch(base + path)).status]).toEqual([path, 200]);
  });

  it('shows its document on a page that loads nothing from elsewhere', async () => {
    const page = await fetch(`${base}/docs`);
    expect([page.headers.get('content-type'), page.headers.get('x-content-type-options')]).toEqual([
      'text/html; charset=utf-8',
      'nosniff',
    ]);
    expect(await page.text()).not.toMatch(/(src|href)="(https?:)?\/\//);
    for (const path of ['/docs/static/swagger-ui-bundle.js', '/docs/static/swagger-initializer.js', '/docs/yaml'])
      expect([path, (await fetch(base + path)).status]).toEqual([path, 200]);
    const { servers: _, ...document } = (await (await fetch(`${base}/openapi.json`)).json()) as { servers: unknown };
    // Relative to the address of the document, so that a proxy may serve the service below a path.
    expect(await (await fetch(`${base}/docs/json`)).json()).toEqual({
      ...withEmptyForms(document),
      servers: [{ url: '..' }],
    });
    expect((await fetch(`${base}/docs/none`)).status).toBe(404);
  });
});
