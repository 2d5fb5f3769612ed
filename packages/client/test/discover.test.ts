import type { PlatformAddresses } from '@cl-server/contract';
import { describe, expect, it } from 'vitest';
import { ConfigError, createClient, discover, NetworkError, platformUrls } from '../src/index.js';

const PORTS: PlatformAddresses = {
  product: 'cl-server',
  store: { port: 8001 },
  compute: { port: 8002 },
  mqtt: { port: 1883 },
  mqtt_ws: { port: 9001 },
};

/** A server that answers every request in the same way. */
const answering =
  (status: number, body: string, asked: string[] = []): typeof fetch =>
  async (input) => {
    asked.push(String(input));
    return new Response(body, { status });
  };

describe('the addresses of a platform', () => {
  it.each<[string, string, Partial<PlatformAddresses>, object]>([
    [
      'keep the host that the client used',
      'http://nas:8000',
      {},
      { auth: 'http://nas:8000', store: 'http://nas:8001', mqtt: 'mqtt://nas:1883' },
    ],
    [
      'keep TLS',
      'https://nas:8000/',
      {},
      { auth: 'https://nas:8000', compute: 'https://nas:8002', mqtt: 'mqtts://nas:1883' },
    ],
    ['work with IPv6', 'http://[::1]:8000', {}, { store: 'http://[::1]:8001' }],
    [
      'can be paths behind a gateway',
      'https://photos.example',
      {
        auth: { url: '/auth' },
        store: { url: '/store/' },
        compute: { url: 'compute' },
        mqtt: null,
        mqtt_ws: { url: '/mqtt' },
      },
      {
        auth: 'https://photos.example/auth',
        store: 'https://photos.example/store',
        compute: 'https://photos.example/compute',
        mqtt: 'wss://photos.example/mqtt',
      },
    ],
    [
      'can be below a base path',
      'https://photos.example/cl/',
      { auth: { url: 'auth' }, store: { url: 'store' } },
      { auth: 'https://photos.example/cl/auth', store: 'https://photos.example/cl/store' },
    ],
    [
      'can be whole URLs',
      'http://nas:8000',
      { store: { url: 'https://store.example' }, mqtt: { url: 'mqtts://broker.example:8883' } },
      { store: 'https://store.example', mqtt: 'mqtts://broker.example:8883' },
    ],
    ['may have no broker', 'http://nas:8000', { mqtt: null, mqtt_ws: null }, { mqtt: null }],
  ])('%s', (_name, server, more, expected) => {
    expect(platformUrls(server, { ...PORTS, ...more })).toMatchObject(expected);
  });

  it('are fetched from the server, and arguments win', async () => {
    const asked: string[] = [];
    const http = { fetch: answering(200, JSON.stringify(PORTS), asked) };
    const cl = await createClient({ server: 'http://nas:8000/', urls: { store: 'http://other:1', mqtt: null }, http });
    expect(asked).toEqual(['http://nas:8000/.well-known/cl-server']);
    expect(cl.urls).toEqual({
      auth: 'http://nas:8000',
      store: 'http://other:1',
      compute: 'http://nas:8002',
      mqtt: null,
    });
    await cl.close();
  });

  it.each([
    ['a page', answering(200, '<html></html>')],
    ['another document', answering(200, '{"product":"cl-server","store":7}')],
    ['404', answering(404, '{"detail":"Not Found"}')],
  ])('are refused if the server answers with %s', async (_name, fetch) => {
    await expect(discover('http://nas:8000', { fetch })).rejects.toThrow(ConfigError);
  });

  it('need an address with a scheme, and a server that answers', async () => {
    await expect(discover('nas:8000')).rejects.toThrow('begins with http:// or https://');
    const fetch = async () => Promise.reject(new TypeError('fetch failed'));
    await expect(discover('http://nas:8000', { fetch, timeoutMs: 2000 })).rejects.toThrow(NetworkError);
  });
});
