import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { endpoint, field } from '@cl-server/contract';
import { eventually, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type App, createApp } from '../src/http/app.js';
import { BodyBudget } from '../src/http/body-budget.js';
import type { HttpOptions } from '../src/http/http-options.js';
import { sweepIncoming } from '../src/http/incoming-sweep.js';
import { createMetrics } from '../src/http/metrics.js';
import { silentLogger } from '../src/logging/logger.js';

const common = {
  guard: 'public',
  tag: 'test',
  summary: '',
  responses: { 200: { description: 'ok', schema: z.unknown() } },
} as const;
const withFile = endpoint({
  ...common,
  id: 'file',
  method: 'POST',
  path: '/file',
  form: z.object({ label: field.text({ max: 100_000 }).optional(), variants: field.json(z.unknown()).optional() }),
  files: { file: { required: false, description: '' } },
  maxBody: 10_000,
});
const form = endpoint({
  ...common,
  id: 'form',
  method: 'POST',
  path: '/form',
  form: z.looseObject({}),
  maxBody: 10_000,
});
const json = endpoint({ ...common, id: 'json', method: 'POST', path: '/json', json: z.unknown(), maxBody: 150_000 });
const none = endpoint({ ...common, id: 'none', method: 'POST', path: '/none' });

describe('bodies of requests', () => {
  const dir = tempDir();
  let app: App;
  let base: string;
  let heldBack: Promise<void> | undefined;

  const open = async (http: HttpOptions = {}) => {
    app = createApp({
      info: { title: 'Test', version: '1', description: '' },
      endpoints: [withFile, form, json, none],
      authorize: async () => null,
      logger: silentLogger(),
      metrics: createMetrics('test'),
      uploads: { folder: `${dir.path}/incoming`, maxBytes: 1_000_000 },
      ...http,
    });
    app.handle(withFile, async ({ form: fields, files }) => {
      await heldBack;
      return { ...fields, sizes: files.map(({ size }) => size) };
    });
    app.handle(form, async ({ form: fields }) => {
      await heldBack;
      return { ...fields };
    });
    app.handle(json, ({ json: value }) => ({ value }));
    app.handle(none, ({ request }) => ({ body: request.body ?? null }));
    base = await app.listen({ host: '127.0.0.1', port: 0 });
  };
  beforeEach(() => {
    heldBack = undefined;
    return open();
  });
  afterEach(() => app.close());

  const send = async (path: string, body: BodyInit, type?: string): Promise<[number, unknown]> => {
    const answer = await fetch(base + path, {
      method: 'POST',
      body,
      ...(type && { headers: { 'content-type': type } }),
    });
    return [answer.status, await answer.json()];
  };
  const multipart = (...parts: readonly (readonly [string, string | Blob, string?])[]): FormData => {
    const data = new FormData();
    for (const [name, value, filename] of parts)
      if (typeof value === 'string') data.append(name, value);
      else data.append(name, value, filename);
    return data;
  };
  const leftovers = (): string[] =>
    fs.existsSync(`${dir.path}/incoming`) ? fs.readdirSync(`${dir.path}/incoming`) : [];

  it('have the size that their endpoint reads, in each encoding, and not a byte more', async () => {
    const fits = 'x'.repeat(9_900);
    for (const [path, body, status] of [
      ['/form', multipart(['a', fits]), 200],
      ['/form', multipart(['a', 'x'.repeat(10_001)]), 413],
      ['/form', multipart(...Array.from({ length: 30 }, (_, i) => [`f${i}`, 'x'.repeat(400)] as const)), 413],
      ['/form', new URLSearchParams({ a: 'x'.repeat(29_998) }), 200],
      ['/form', new URLSearchParams({ a: 'x'.repeat(30_000) }), 413],
      ['/file', multipart(['label', fits], ['file', new Blob(['y'.repeat(900_000)]), 'a.bin']), 200],
      ['/file', multipart(['file', new Blob(['y'.repeat(900_000)]), 'a.bin'], ['label', 'x'.repeat(20_000)]), 413],
      ['/file', multipart(['file', new Blob(['y'.repeat(1_000_001)]), 'a.bin']), 413],
    ] as const)
      expect([path, (await send(path, body))[0]]).toEqual([path, status]);
    expect((await send('/json', JSON.stringify('x'.repeat(149_998)), 'application/json'))[0]).toBe(200);
    expect((await send('/json', JSON.stringify('x'.repeat(149_999)), 'application/json'))[0]).toBe(413);
    expect(leftovers()).toEqual([]);
  });

  it('are not even read where the endpoint takes none', async () => {
    expect(await send('/none', '{"broken', 'application/json')).toEqual([200, { body: null }]);
    expect(await send('/none', new URLSearchParams({ a: 'b' }))).toEqual([200, { body: null }]);
  });

  it('bring no file where none is taken, whatever its size', async () => {
    expect(await send('/form', multipart(['a', 'b'], ['x', new Blob(['small']), 'a']))).toEqual([200, { a: 'b' }]);
    const [status, body] = await send('/form', multipart(['x', new Blob(['y'.repeat(900_000)]), 'a']));
    expect([status, body]).toMatchObject([413, { detail: expect.stringContaining('takes no file') }]);
    expect((await send('/file', multipart(['other', new Blob(['y'.repeat(900_000)]), 'a'])))[1]).toMatchObject({
      detail: expect.stringContaining('in the part file'),
    });
  });

  it('have a boundary, few parts, short heads and names that fit', async () => {
    const raw = (text: string, boundary = 'x') => send('/file', text, `multipart/form-data; boundary=${boundary}`);
    const part = (head: string, body: string) => `--x\r\n${head}\r\n\r\n${body}\r\n`;
    const named = (name: string) => `content-disposition: form-data; name="file"; filename="${name}"`;
    expect((await raw('--x--\r\n', 'x'.repeat(5_000)))[0]).toBe(400);
    expect((await send('/file', 'x', 'multipart/form-data; boundary='))[0]).toBe(400);
    expect((await raw(`${part('content-disposition: form-data; name="label"', 'a').repeat(300)}--x--\r\n`))[0]).toBe(
      400,
    );
    expect((await raw(`${part(named('a'), 'a').repeat(11)}--x--\r\n`))[0]).toBe(400);
    const [status, body] = await raw(`${part(named('n'.repeat(5_000)), 'a')}--x--\r\n`);
    expect([status, body]).toMatchObject([422, { detail: [{ msg: expect.stringContaining('name is longer') }] }]);
    expect((await raw(`${part(named('n'.repeat(75_000)), 'a')}--x--\r\n`))[0]).toBe(422);
    const lines = Array.from({ length: 400_000 }, (_, i) => `x${i}: 1`).join('\r\n');
    expect((await raw(`${part(lines, 'a')}--x--\r\n`))[0]).toBe(413);
    expect((await raw('--x\r\n'))[0]).toBe(400);
    expect(leftovers()).toEqual([]);
  });

  it('hold JSON of a bounded depth and number of values, without keys that change what objects are', async () => {
    for (const text of [
      '['.repeat(149_000),
      `${'['.repeat(33)}${']'.repeat(33)}`,
      '{"a":'.repeat(40),
      `[${'0,'.repeat(49_999)}0]`,
      '{"__proto__":{"a":1}}',
      '{"a":[{"\\u005f_proto\\u005f_":1}]}',
      '{"a":',
      '\\',
      'undefined',
    ]) {
      const start = performance.now();
      const [status, body] = await send('/json', text, 'application/json');
      expect([text.slice(0, 30), status, body]).toMatchObject([text.slice(0, 30), 400, { code: 'bad_request' }]);
      expect(performance.now() - start).toBeLessThan(500);
      const inField = await send('/file', multipart(['variants', text.slice(0, 9_000)]));
      expect([text.slice(0, 30), inField[0]]).toEqual([text.slice(0, 30), 422]);
    }
    const deep = `${'['.repeat(32)}"[[{{,,"${']'.repeat(32)}`;
    expect((await send('/json', deep, 'application/json'))[0]).toBe(200);
    expect(({} as Record<string, unknown>).a).toBeUndefined();
  });

  it('may end at any byte: nothing of them is left on the disk or open', async () => {
    const descriptors = () => fs.readdirSync('/proc/self/fd').length;
    await send('/file', multipart(['label', 'a'], ['file', new Blob(['a']), 'a']));
    const before = descriptors();
    const head = `POST /file HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\n`;
    const text = `--x\r\ncontent-disposition: form-data; name="label"\r\n\r\nabc\r\n--x\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\n\r\n${'y'.repeat(300_000)}\r\n--x--\r\n`;
    const ends = [...Array(230).keys()]
      .filter((n) => n % 3 === 0)
      .concat([1_000, 65_536, 200_000, 300_100, text.length - 1]);
    await Promise.all(
      ends.flatMap((end) =>
        [true, false].map(async (politely) => {
          const socket = net.connect(Number(new URL(base).port), '127.0.0.1').on('error', () => {});
          await once(socket, 'connect');
          socket.resume();
          await new Promise((resolve) =>
            socket.write(`${head}content-length: ${text.length}\r\n\r\n${text.slice(0, end)}`, resolve),
          );
          if (politely) socket.end();
          else socket.resetAndDestroy();
          if (!socket.destroyed) await once(socket, 'close');
        }),
      ),
    );
    await eventually(() => leftovers().length === 0 && descriptors() <= before + 2, { what: 'everything closed' });
  });

  it('give back what they took of the budget when their client leaves', async () => {
    await app.close();
    await open({ bodyBudget: 2_000_000 });
    for (let round = 0; round < 10; round++) {
      const socket = net.connect(Number(new URL(base).port), '127.0.0.1').on('error', () => {});
      socket.write(
        `POST /file HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 9000\r\n\r\n--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nabc${'y'.repeat(500)}`,
      );
      await eventually(() => leftovers().length > 0);
      socket.resetAndDestroy();
      await eventually(() => leftovers().length === 0);
    }
    expect((await send('/file', multipart(['file', new Blob(['y']), 'a'])))[0]).toBe(200);
  });

  it('are answered early where a part is wrong, and the rest is dropped on the same connection', async () => {
    const file = 'y'.repeat(800_000);
    const late = multipart(['file', 'text'], ['file', new Blob([file]), 'a']);
    expect((await send('/file', late))[0]).toBe(422);
    expect((await send('/file', multipart(['label', 'ok'])))[0]).toBe(200);
    expect(leftovers()).toEqual([]);
  });

  describe('together', () => {
    it('take no more memory than the budget, and one caller no more than half of it', () => {
      const budget = new BodyBudget(1_000);
      const one = budget.lease('one');
      one.add(400);
      expect(() => one.add(101)).toThrow('Try again');
      expect(() => budget.lease('one').add(101)).toThrow('Try again');
      const other = budget.lease('other');
      other.add(500);
      expect(() => budget.lease('third').add(101)).toThrow('Try again');
      one.release();
      one.release();
      budget.lease('third').add(101);
      expect(budget.used).toBe(601);
    });

    it('are refused with 503 and Retry-After beyond it, until others have ended', async () => {
      await app.close();
      await open({ bodyBudget: 30_000 });
      let letGo = (): void => {};
      heldBack = new Promise((resolve) => {
        letGo = resolve;
      });
      const first = send('/form', new URLSearchParams({ a: 'x'.repeat(10_000) }));
      await eventually(async () => {
        const second = await fetch(`${base}/json`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: `"${'x'.repeat(6_000)}"`,
        });
        await second.arrayBuffer();
        return second.status === 503 && second.headers.get('retry-after') === '2';
      });
      letGo();
      expect((await first)[0]).toBe(200);
      expect((await send('/form', new URLSearchParams({ a: 'x'.repeat(10_000) })))[0]).toBe(200);
    });
  });
});

it('uploads that a dead process left behind are swept, those of live ones and other files are not', async () => {
  const dir = tempDir();
  const file = (name: string, age: number): void => {
    fs.writeFileSync(`${dir.path}/${name}`, 'x');
    fs.utimesSync(`${dir.path}/${name}`, (Date.now() - age) / 1000, (Date.now() - age) / 1000);
  };
  const HOUR = 3_600_000;
  file(`${randomUUID()}.part`, 2 * HOUR);
  const live = `${randomUUID()}.part`;
  file(live, HOUR / 2);
  file('a.placing', 9 * HOUR);
  expect(await sweepIncoming(dir.path, Date.now())).toBe(1);
  expect(fs.readdirSync(dir.path).toSorted()).toEqual([live, 'a.placing'].toSorted());
  expect(await sweepIncoming(`${dir.path}/none`, Date.now())).toBe(0);
  dir.remove();
});

describe('bodies that do not arrive', () => {
  const dir = tempDir();
  let app: App;
  let port: number;
  beforeEach(async () => {
    app = createApp({
      info: { title: 'Test', version: '1', description: '' },
      endpoints: [withFile, form],
      authorize: async (_guard, { headers }) => {
        if (headers['x-stranger']) throw Object.assign(new Error('no'), { statusCode: 401 });
        return null;
      },
      logger: silentLogger(),
      metrics: createMetrics('test'),
      uploads: { folder: dir.path, maxBytes: 1_000_000 },
      slowBodies: { window: 200, fileWindow: 200, minBytes: 100, dropFor: 200, every: 20 },
    });
    app.handle(withFile, ({ files }) => ({ n: files.length }));
    app.handle(form, () => ({}));
    port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
  });
  afterEach(async () => {
    await app.close();
    dir.remove();
  });

  /** Sends a head and then a byte every 20 ms, for ever. @returns what the server says before it closes */
  async function drip(path: string, headers = ''): Promise<string> {
    const socket = net.connect(port, '127.0.0.1').on('error', () => {});
    let answer = '';
    socket.on('data', (chunk) => {
      answer += String(chunk);
    });
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\n${headers}content-length: 90000\r\n\r\n--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n`,
    );
    const dripping = setInterval(() => socket.write('y'), 20);
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(dripping);
    return answer;
  }

  it('are refused with 408 where they bring too little in a while, and leave nothing behind', async () => {
    expect(await drip('/form')).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"timeout"/);
    expect(await drip('/file')).toMatch(/^HTTP\/1\.1 408 /);
    await eventually(() => fs.readdirSync(dir.path).length === 0);
  });

  it('are dropped for a moment after an early answer, and then the connection is closed', async () => {
    expect(await drip('/file', 'x-stranger: 1\r\n')).toMatch(/^HTTP\/1\.1 401 /);
  });

  it('may take their time while they keep coming', async () => {
    const socket = net.connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += String(chunk);
    });
    const head = '--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n';
    const end = '\r\n--x--\r\n';
    socket.write(
      `POST /file HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: ${head.length + 20_000 + end.length}\r\n\r\n${head}`,
    );
    let sent = 0;
    const dripping = setInterval(() => {
      if (sent < 20_000) socket.write('y'.repeat(1_000));
      else socket.write(end, () => clearInterval(dripping));
      sent += 1_000;
    }, 40);
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('connections', () => {
  it('make room for new ones when they are idle, and keep those at work', async () => {
    let atWork = 0;
    let letGo = (): void => {};
    const waiting = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const app = createApp({
      info: { title: 'Test', version: '1', description: '' },
      endpoints: [none],
      authorize: async () => null,
      logger: silentLogger(),
      metrics: createMetrics('test'),
      connections: { total: 10 },
    });
    app.handle(none, async () => {
      atWork++;
      await waiting;
      return {};
    });
    const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
    const connect = async (request = '') => {
      const socket = net.connect(port, '127.0.0.1').on('error', () => {});
      await once(socket, 'connect');
      socket.write(request);
      return socket.resume();
    };
    const open = (sockets: readonly net.Socket[]): number => sockets.filter(({ destroyed }) => !destroyed).length;
    const idle = await Promise.all(Array.from({ length: 30 }, () => connect()));
    await eventually(() => open(idle) === 10);
    const busy = await Promise.all(
      Array.from({ length: 10 }, () => connect('POST /none HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n')),
    );
    await eventually(() => atWork === 10 && open(idle) === 0);
    const late = await connect();
    await eventually(() => late.destroyed);
    expect(open(busy)).toBe(10);
    letGo();
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
    for (const socket of busy) socket.destroy();
    await app.close();
  });
});
