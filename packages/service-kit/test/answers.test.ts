import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { authEndpoints, endpoint } from '@cl-server/contract';
import { eventually, tempDir } from '@cl-server/testing';
import { afterEach, expect, it } from 'vitest';
import { z } from 'zod';
import { HttpError } from '../src/errors.js';
import { type App, createApp } from '../src/http/app.js';
import type { HttpOptions } from '../src/http/http-options.js';
import { createMetrics } from '../src/http/metrics.js';
import { createLogger } from '../src/logging/logger.js';
import { sendPath } from './send-path.js';

const common = {
  guard: 'public',
  tag: 'test',
  summary: '',
  responses: { 200: { description: 'ok', schema: z.unknown() } },
} as const;
const file = endpoint({ ...common, id: 'file', method: 'GET', path: '/file' });
const away = endpoint({ ...common, id: 'away', method: 'GET', path: '/away' });
const broken = endpoint({ ...common, id: 'broken', method: 'GET', path: '/broken' });
const list = endpoint({
  ...common,
  id: 'list',
  method: 'POST',
  path: '/list',
  json: z.array(z.int()),
  maxBody: 200_000,
});
const vital = endpoint({ ...common, id: 'vital', method: 'GET', path: '/vital', aliases: ['/needed'], isVital: true });
const busy = endpoint({ ...common, id: 'busy', method: 'GET', path: '/busy' });

const dir = tempDir();
let app: App;
let base: string;
let lines: { level: string; msg: string; [key: string]: unknown }[];

async function open(http: HttpOptions = {}): Promise<void> {
  lines = [];
  const write = (line: string): void => {
    lines.push(JSON.parse(line));
  };
  app = createApp({
    info: { title: 'Test', version: '1', description: '' },
    endpoints: [file, away, broken, list, busy, vital],
    authorize: async (guard, { headers }) => {
      if (guard !== 'public' && headers.authorization === undefined) throw new HttpError(401, 'Not authenticated');
      return null;
    },
    logger: createLogger({ name: 'test', level: 'debug', destination: { write } }),
    metrics: createMetrics('test'),
    checks: { disk: () => false },
    ...http,
  });
  fs.writeFileSync(`${dir.path}/large`, Buffer.alloc(20_000_000));
  app.handle(file, ({ request, reply }) => sendPath(request, reply, `${dir.path}/large`, 'application/octet-stream'));
  app.handle(away, () => {
    throw new HttpError(503, 'The worker is away', { cause: new Error('no route') });
  });
  app.handle(broken, () => {
    throw new Error('secret path /home/somebody');
  });
  app.handle(list, () => ({}));
  app.handle(vital, () => ({}));
  app.handle(busy, () => {
    const end = performance.now() + 300;
    while (performance.now() < end);
    return {};
  });
  base = await app.listen({ host: '127.0.0.1', port: 0 });
}
afterEach(async () => {
  await app.close();
});

it('a download that its client ends is no error, and leaves nothing open', async () => {
  await open();
  const descriptors = () => fs.readdirSync('/proc/self/fd').length;
  const before = descriptors();
  for (const [path, header] of [
    ['/file', ''],
    ['/file', 'range: bytes=0-\r\n'],
    ['/file', 'range: bytes=5000000-\r\n'],
  ])
    await Promise.all(
      Array.from({ length: 5 }, async (_, i) => {
        const socket = net.connect(Number(new URL(base).port), '127.0.0.1').on('error', () => {});
        socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n${header}\r\n`);
        if (i > 0) await once(socket, 'data');
        if (i % 2 === 0) socket.resetAndDestroy();
        else socket.destroy();
      }),
    );
  await eventually(() => lines.filter(({ msg }) => msg === 'request').length >= 12, {
    what: 'the end of the requests',
  });
  await eventually(() => descriptors() <= before + 1, { what: 'closed files' });
  expect(lines.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
});

it.each([1, 50])(
  'clients that do not read their downloads hold little memory, %i on each connection',
  async (repeated) => {
    await open();
    const before = process.memoryUsage().rss;
    const sockets = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = net.connect(Number(new URL(base).port), '127.0.0.1').on('error', () => {});
        socket.write('GET /file HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(repeated));
        await Promise.race([once(socket, 'readable'), once(socket, 'close')]);
        return socket;
      }),
    );
    await fetch(`${base}/livez`);
    const growth = process.memoryUsage().rss - before;
    const stillOpen = sockets.filter(({ destroyed }) => !destroyed).length;
    for (const socket of sockets) socket.destroy();
    expect(growth).toBeLessThan(120_000_000);
    expect(stillOpen).toBe(repeated > 10 ? 0 : 20);
  },
);

it('what is away is a warning of one line and has Retry-After; what nobody expected is an error with its stack', async () => {
  await open();
  const answer = await fetch(`${base}/away`);
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  expect(lines.find(({ msg }) => msg === 'request refused')).toMatchObject({
    level: 'warn',
    status: 503,
    reason: 'The worker is away',
    cause: 'no route',
  });
  expect(JSON.stringify(lines)).not.toContain('stack');
  const failed = await fetch(`${base}/broken`);
  expect([failed.status, await failed.text()]).toEqual([500, expect.not.stringContaining('somebody')]);
  expect(lines.find(({ level }) => level === 'error')).toMatchObject({
    err: { stack: expect.stringContaining('secret path') },
  });
  const ready = await fetch(`${base}/readyz`);
  expect([ready.status, ready.headers.get('retry-after')]).toEqual([503, '2']);
});

it('every request is logged with the address that it came from', async () => {
  await open();
  await fetch(`${base}/away`);
  expect(lines.find(({ msg }) => msg === 'request')).toMatchObject({
    address: '127.0.0.1',
    path: '/away',
    status: 503,
  });
});

it('answers cannot be framed or misread, and the documents run only their own scripts', async () => {
  await open();
  for (const path of ['/livez', '/nowhere', '/away', '/docs'])
    expect([path, Object.fromEntries((await fetch(base + path)).headers)]).toMatchObject([
      path,
      {
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'x-frame-options': 'DENY',
        'content-security-policy': expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/),
      },
    ]);
  const page = await (await fetch(`${base}/docs`)).text();
  expect(page).not.toMatch(/<script(?![^>]*src=)[^>]*>/);
});

it('metrics are for this machine and for admins, unless they are open to all', async () => {
  await open();
  const ask = async (headers: Record<string, string>) => (await fetch(`${base}/metrics`, { headers })).status;
  expect(await ask({})).toBe(200);
  expect(await ask({ 'x-forwarded-for': '192.0.2.1' })).toBe(401);
  expect(await ask({ 'x-forwarded-for': '192.0.2.1', authorization: 'Bearer admin' })).toBe(200);
  await app.close();
  await open({ openMetrics: true });
  expect(await ask({ 'x-forwarded-for': '192.0.2.1' })).toBe(200);
});

it('the faults of a body are named up to a bound, however many it has', async () => {
  await open();
  const body = JSON.stringify(Array.from({ length: 40_000 }, () => 'a'));
  const answer = await fetch(`${base}/list`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  const { detail } = (await answer.json()) as { detail: unknown[] };
  expect([answer.status, detail.length]).toEqual([422, 50]);
  const long = await fetch(`${base}/list`, {
    method: 'POST',
    body: JSON.stringify(['x'.repeat(100_000)]),
    headers: { 'content-type': 'application/json' },
  });
  expect((await long.text()).length).toBeLessThan(2_000);
});

it('a process out of breath refuses what is new with 503, says that it lives, and recovers', async () => {
  await open({ pressure: { maxDelay: 100, looks: 2, every: 50 } });
  const load = Array.from({ length: 12 }, () => fetch(`${base}/busy`));
  const statuses = new Set<number>();
  let alive = true;
  let over = false;
  const asking = (async () => {
    while (!over) {
      statuses.add((await fetch(`${base}/openapi.json`)).status);
      alive &&= (await fetch(`${base}/livez`)).status === 200;
    }
  })();
  await Promise.all(load);
  over = true;
  await asking;
  expect([statuses.has(503) || (await Promise.all(load)).some(({ status }) => status === 503), alive]).toEqual([
    true,
    true,
  ]);
  await eventually(async () => (await fetch(`${base}/busy`)).status === 200);
});

it('a full heap counts as pressure, in which what others depend on is answered still', async () => {
  await open({ pressure: { maxHeapShare: 0.000_1, looks: 1, every: 10 } });
  const answer = await eventually(async () => {
    const got = await fetch(`${base}/file`);
    await got.body?.cancel();
    return got.status === 503 && got;
  });
  expect(answer.headers.get('retry-after')).toBe('5');
  for (const path of ['/livez', '/healthz', '/vital', '/needed'])
    expect([path, (await fetch(`${base}${path}`)).status]).toEqual([path, 200]);
  const ofAuth = authEndpoints.filter(({ isVital }) => isVital).map(({ path }) => path);
  expect(ofAuth).toEqual(['/auth/public-key', '/.well-known/jwks.json', '/auth/revocations']);
});
