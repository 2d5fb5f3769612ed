import { once } from 'node:events';
import net from 'node:net';
import os from 'node:os';
import { endpoint } from '@cl-server/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AllowedHosts, asHostNames } from '../src/http/allowed-hosts.js';
import { type App, createApp } from '../src/http/app.js';
import { createMetrics } from '../src/http/metrics.js';
import { silentLogger } from '../src/logging/logger.js';

describe('the names of a server', () => {
  const hosts = new AllowedHosts({ names: ['photos.example.org', '.lan.example.org'], ownNames: ['nas.local'] });

  it('are addresses, names of one label, those of the machine and the configured ones, in any spelling and with any port', () => {
    for (const host of [
      ...[
        '127.0.0.1',
        '127.0.0.1:8001',
        '192.0.2.7:80',
        '[::1]',
        '[::1]:8001',
        '[2001:db8::1]:1',
        '[::ffff:127.0.0.1]',
      ],
      ...['localhost', 'LOCALHOST:8001', 'localhost.', 'store:8001', 'localhost.:8001', 'nas', 'NAS.local:9'],
      ...['photos.example.org', 'Photos.Example.ORG.:443', 'a.lan.example.org', 'a.b.lan.example.org'],
    ])
      expect([host, hosts.accepts(host)]).toEqual([host, true]);
  });

  it('are nothing else', () => {
    for (const host of [
      ...[
        'evil.example',
        'evil.example:8001',
        'localhost.evil.example',
        'evil.local',
        'photos.example.org.evil.example',
      ],
      ...[
        'xphotos.example.org',
        'lan.example.org',
        'lan.example.org.',
        'nas.example.org',
        '',
        ':80',
        '.',
        'localhost..',
      ],
      ...['::1', '[localhost]', '[127.0.0.1]', '127.0.0.1.evil.example', '127.1', '0x7f.0.0.1', '127.0.0.1:'],
      ...[
        'localhost:8001:1',
        'localhost:x',
        'user@localhost',
        'localhost/',
        'localhost#',
        'local host',
        'localhost, evil.example',
      ],
      ...['a.'.repeat(10_000), `${'a.'.repeat(10_000)}localhost`, '['.repeat(10_000)],
    ])
      expect([host.slice(0, 60), hosts.accepts(host)]).toEqual([host.slice(0, 60), false]);
  });

  it('include those that the machine has by itself', () => {
    expect(new AllowedHosts().accepts(os.hostname())).toBe(true);
  });

  it('may be any, where an administrator says so', () => {
    expect(new AllowedHosts({ names: ['*'] }).accepts('anything.example')).toBe(true);
  });

  it('are read from one setting, whose faults are named', () => {
    expect(asHostNames(' a.example.org, .b.example.org ,*,nas ')).toEqual([
      'a.example.org',
      '.b.example.org',
      '*',
      'nas',
    ]);
    for (const text of ['https://a.example.org', 'a.example.org:443', 'a/b', 'ä.example.org', '*.example.org'])
      expect(() => asHostNames(text)).toThrow('host names without scheme and port');
  });

  it('decide which pages may change something: those of the same host and port, of CORS_ORIGINS, and of configured names', () => {
    const some = new AllowedHosts({ names: ['photos.example.org'], origins: ['http://localhost:3000'], ownNames: [] });
    const accepts = (origin: string, host?: string) => some.acceptsOrigin(origin, host);
    expect(accepts('http://127.0.0.1:8001', '127.0.0.1:8001')).toBe(true);
    expect(accepts('http://nas:80', 'nas')).toBe(true);
    expect(accepts('https://nas', 'nas:443')).toBe(true);
    expect(accepts('http://localhost:3000', 'localhost:8001')).toBe(true);
    expect(accepts('https://photos.example.org', '127.0.0.1:8001')).toBe(true);
    for (const [origin, host] of [
      ['http://localhost:8001', '127.0.0.1:8001'],
      ['http://localhost:9999', 'localhost:8001'],
      ['https://evil.example', 'localhost:8001'],
      ['null', 'localhost:8001'],
      ['', 'localhost:8001'],
      ['http://127.0.0.1:8001@evil.example', '127.0.0.1:8001'],
      ['http://127.0.0.1:8001/', '127.0.0.1:8001/'],
      ['http://photos.example.org.evil.example', 'localhost'],
      [`http://${'a'.repeat(100_000)}`, 'localhost'],
    ] as const)
      expect([origin.slice(0, 50), accepts(origin, host)]).toEqual([origin.slice(0, 50), false]);
    expect(new AllowedHosts({ origins: ['*'] }).acceptsOrigin('https://evil.example', 'localhost')).toBe(true);
  });

  it('let pages of the other services read and change, on the host of the request or at their public address only', () => {
    const siblings = [{ port: 8001 }, { url: 'https://store.example.org/v1' }, { url: '/compute' }];
    const some = new AllowedHosts({ siblings, ownNames: [] });
    for (const [origin, host, expected] of [
      ['http://nas:8001', 'nas:8000', true],
      ['https://127.0.0.1:8001', '127.0.0.1:8000', true],
      ['http://[::1]:8001', '[::1]:8000', true],
      ['https://store.example.org', 'auth.example.org', true],
      ['http://nas:8003', 'nas:8000', false],
      ['http://other:8001', 'nas:8000', false],
      ['http://nas:8001@evil.example:8001', 'nas:8000', false],
      ['http://evil.example:8001', 'nas:8000', false],
      ['http://store.example.org', 'auth.example.org', false],
      ['http://nas:8001', undefined, false],
      ['null', 'nas:8000', false],
    ] as const) {
      expect([origin, host, some.mayRead(origin, host)]).toEqual([origin, host, expected]);
      expect([origin, host, some.acceptsOrigin(origin, host)]).toEqual([origin, host, expected]);
    }
  });
});

const spec = { guard: 'public', tag: 'test', summary: '' } as const;
const ok = { 200: { description: 'ok', schema: z.unknown() } };
const read = endpoint({ ...spec, id: 'read', method: 'GET', path: '/things', responses: ok });
const change = endpoint({ ...spec, id: 'change', method: 'POST', path: '/things', responses: ok });

describe('an app refuses what a stranger’s web page makes a browser send', () => {
  let app: App;
  let port: number;

  beforeAll(async () => {
    app = createApp({
      info: { title: 'Test', version: '1', description: '' },
      endpoints: [read, change],
      authorize: async () => null,
      logger: silentLogger(),
      metrics: createMetrics('test'),
      corsOrigins: ['http://localhost:3000'],
      allowedHosts: ['photos.example.org'],
    });
    app.handle(read, () => ({}));
    app.handle(change, () => ({}));
    port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
  });
  afterAll(() => app.close());

  /** @returns the status line's number and the body */
  async function send(request: string, headers: readonly string[], version = '1.1'): Promise<[number, string]> {
    const socket = net.connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += String(chunk);
    });
    socket.write([`${request} HTTP/${version}`, ...headers, 'connection: close', '', ''].join('\r\n'));
    await once(socket, 'close');
    return [Number(answer.slice(9, 12)), answer.slice(answer.indexOf('\r\n\r\n') + 4)];
  }
  const status = async (request: string, ...headers: string[]) => (await send(request, headers))[0];

  it('for a name that is not the server’s, on every path, and says which setting allows it', async () => {
    for (const path of ['/things', '/livez', '/metrics', '/docs', '/openapi.json', '/nowhere'])
      expect([path, await status(`GET ${path}`, `host: evil.example:${port}`)]).toEqual([path, 421]);
    const [, body] = await send('GET /things', ['host: evil.example']);
    expect(JSON.parse(body)).toMatchObject({
      code: 'host_not_allowed',
      detail: expect.stringContaining('ALLOWED_HOSTS'),
    });
    for (const host of ['localhost', `127.0.0.1:${port}`, '[::1]:1', 'PHOTOS.example.org.:443'])
      expect([host, await status('GET /things', `host: ${host}`)]).toEqual([host, 200]);
  });

  it('with two Host headers, with an empty one, or with none where the protocol asks for it', async () => {
    expect(await status('GET /things', 'host: localhost', 'host: localhost')).toBe(400);
    expect(await status('GET /things', 'host: localhost', 'Host: evil.example')).toBe(400);
    expect(await status('GET /things', 'host: ')).toBe(421);
    expect(await status('GET /things')).toBe(400);
    expect((await send('GET /things', [], '1.0'))[0]).toBe(200);
  });

  it('to change something from another site; programs and pages of CORS_ORIGINS pass, and reading is CORS’s business', async () => {
    const post = (...headers: string[]) =>
      status('POST /things', 'host: localhost:8001', 'content-length: 0', ...headers);
    expect(await post()).toBe(200);
    expect(await post('origin: http://localhost:8001')).toBe(200);
    expect(await post('origin: http://localhost:3000', 'sec-fetch-site: same-site')).toBe(200);
    expect(await post('sec-fetch-site: same-origin', 'origin: https://behind-a-proxy.example.org')).toBe(200);
    for (const headers of [
      ['origin: https://evil.example'],
      ['origin: null'],
      ['origin: http://localhost:9999', 'sec-fetch-site: same-site'],
      ['origin: https://evil.example', 'sec-fetch-site: cross-site'],
      ['sec-fetch-site: cross-site'],
      ['sec-fetch-site: same-site'],
    ])
      expect([headers, await post(...headers)]).toEqual([headers, 403]);
    expect(await status('GET /things', 'host: localhost', 'origin: https://evil.example')).toBe(200);
  });

  it('yet answers the preflight of an allowed page', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/things`, {
      method: 'OPTIONS',
      headers: { origin: 'http://localhost:3000', 'access-control-request-method': 'POST' },
    });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([204, 'http://localhost:3000']);
  });
});
