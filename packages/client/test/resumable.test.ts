import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError, StoreClient } from '../src/index.js';
import { json, startServer, type TestServer } from './support/server.js';

const CONTENT = new Uint8Array(randomBytes(1_000_000));
let server: TestServer;
let stored: Buffer;
let known: boolean;
let metadata: Record<string, string>;
/** Numbers of the pieces whose connection breaks: before anything is kept, or after it is. */
let breakBefore: Set<number>;
let breakAfter: Set<number>;

beforeEach(async () => {
  stored = Buffer.alloc(0);
  known = false;
  breakBefore = new Set();
  breakAfter = new Set();
  let piece = 0;
  server = await startServer((request, response) => {
    if (request.headers['tus-resumable'] !== '1.0.0') return json(response, 412, { detail: 'tus 1.0.0' });
    if (request.method === 'POST') {
      known = true;
      stored = Buffer.alloc(0);
      const pairs = String(request.headers['upload-metadata']).split(',');
      metadata = Object.fromEntries(
        pairs.map((pair) => {
          const [key = '', value = ''] = pair.split(' ');
          return [key, Buffer.from(value, 'base64').toString('utf8')];
        }),
      );
      return void response.writeHead(201, { location: 'http://inside:1/uploads/u1' }).end();
    }
    if (!known || request.path !== '/uploads/u1') return json(response, 404, { detail: 'No such upload' });
    if (request.method === 'HEAD') return void response.writeHead(200, { 'upload-offset': stored.length }).end();
    piece += 1;
    if (breakBefore.has(piece)) return void response.destroy();
    if (Number(request.headers['upload-offset']) !== stored.length) return json(response, 409, { detail: 'Offset' });
    stored = Buffer.concat([stored, request.body]);
    if (breakAfter.has(piece)) return void response.destroy();
    if (stored.length === CONTENT.length) return json(response, 201, { id: 3 }, { 'upload-offset': stored.length });
    response.writeHead(204, { 'upload-offset': stored.length }).end();
  });
});
afterEach(() => server.stop());

const store = () => new StoreClient({ baseUrl: server.url, retry: { retries: 0 } });
const upload = (options = {}) =>
  store().entities.uploadResumable({ data: CONTENT, name: 'ü.bin' }, { label: 'L', chunkSize: 300_000, ...options });

describe('an upload in pieces', () => {
  it('arrives whole, with its name and fields', async () => {
    const seen: number[] = [];
    const result = await upload({ onProgress: ({ loaded }: { loaded: number }) => seen.push(loaded) });
    expect(result).toEqual({ entity: { id: 3 }, created: true });
    expect(stored.equals(CONTENT)).toBe(true);
    expect(metadata).toEqual({ filename: 'ü.bin', label: 'L' });
    expect(seen).toEqual([300_000, 600_000, 900_000, 1_000_000]);
  });

  it('asks how far it got after every break, and loses or doubles nothing', async () => {
    breakBefore = new Set([2]);
    breakAfter = new Set([3]);
    await upload();
    expect(stored.equals(CONTENT)).toBe(true);
  });

  it('is continued by another run from where it stood', async () => {
    let url = '';
    const stop = new AbortController();
    const first = upload({
      signal: stop.signal,
      onUploadUrl: (address: string) => (url = address),
      onProgress: ({ loaded }: { loaded: number }) => loaded >= 600_000 && stop.abort(new Error('closed')),
    });
    await expect(first).rejects.toThrow('closed');
    expect(url).toBe(`${server.url}/uploads/u1`);
    server.received.length = 0;
    await upload({ uploadUrl: url });
    expect(stored.equals(CONTENT)).toBe(true);
    expect(server.received.map(({ method }) => method)).toEqual(['HEAD', 'PATCH', 'PATCH']);
  });

  it('starts again if the server has forgotten it', async () => {
    await upload({ uploadUrl: `${server.url}/uploads/gone` });
    expect(stored.equals(CONTENT)).toBe(true);
  });

  it('cannot be made of a stream', async () => {
    const stream = store().entities.uploadResumable(new Blob(['x']).stream());
    await expect(stream).rejects.toBeInstanceOf(FileError);
  });
});
