import fs from 'node:fs';
import path from 'node:path';
import { tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError, type FileInput, StoreClient } from '../src/index.js';
import { json, startServer, type TestServer } from './support/server.js';

let server: TestServer;
let fail = 0;
beforeEach(async () => {
  fail = 0;
  server = await startServer((request, response) => {
    if (request.path === '/source/a%20b.txt') return void response.end('from the web');
    if (fail-- > 0) return void response.destroy();
    json(response, 201, { id: 1 });
  });
});
afterEach(() => server.stop());

const store = () => new StoreClient({ baseUrl: server.url, retry: { baseMs: 0, maxMs: 0 } });

/** The body as a multipart parser that is not ours reads it. */
async function formOf(): Promise<FormData> {
  const { body, headers } = server.received.at(-1) ?? expect.fail('nothing arrived');
  return new Response(new Uint8Array(body), { headers: { 'content-type': headers['content-type'] ?? '' } }).formData();
}

describe('a file to upload', () => {
  const BYTES = 'from the file';
  const inputs: [string, (dir: string) => FileInput, string, string][] = [
    ['a path', (dir) => path.join(dir, 'ä"b.txt'), 'ä"b.txt', BYTES],
    ['a file URL', (dir) => new URL(`file://${encodeURI(dir)}/plain.txt`), 'plain.txt', BYTES],
    ['a web address', () => `${server.url}/source/a%20b.txt`, 'a b.txt', 'from the web'],
    ['a File', () => new File([BYTES], 'f.jpg', { type: 'image/jpeg' }), 'f.jpg', BYTES],
    ['bytes with a name', () => ({ data: new TextEncoder().encode(BYTES), name: 'n.png' }), 'n.png', BYTES],
    ['a stream', (dir) => ({ data: fs.createReadStream(path.join(dir, 'plain.txt')), name: 's.bin' }), 's.bin', BYTES],
    ['a web stream', () => ({ data: new Blob([BYTES]).stream(), name: 'w.bin' }), 'w.bin', BYTES],
  ];

  it.each(inputs)('may be %s', async (_what, input, name, content) => {
    using dir = tempDir();
    for (const file of ['ä"b.txt', 'plain.txt']) fs.writeFileSync(path.join(dir.path, file), BYTES);
    await store().entities.upload(input(dir.path), { label: 'x' });
    const form = await formOf();
    expect([...form.keys()]).toEqual(['is_collection', 'label', 'media_file']);
    const file = form.get('media_file') as File;
    expect(await file.text()).toBe(content);
    expect(decodeURIComponent(file.name)).toBe(name);
  });

  it('has a length ahead if it is known, and reports its progress', async () => {
    using dir = tempDir();
    const file = path.join(dir.path, 'big.jpg');
    fs.writeFileSync(file, Buffer.alloc(3_000_000, 7));
    const seen: number[] = [];
    await store().entities.upload(file, { onProgress: ({ loaded, total }) => seen.push(loaded / (total ?? 0)) });
    expect(Number(server.received[0]?.headers['content-length'])).toBeGreaterThan(3_000_000);
    expect(server.received[0]?.headers['transfer-encoding']).toBeUndefined();
    expect(seen.length).toBeGreaterThan(5);
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  it('is sent again after a broken connection if it can be read again', async () => {
    fail = 1;
    await expect(store().entities.upload(new Blob(['x']))).resolves.toMatchObject({ created: true });
    expect(server.received).toHaveLength(2);
  });

  it('is not sent again if it was a stream', async () => {
    fail = 1;
    await expect(store().entities.upload(new Blob(['x']).stream())).rejects.toMatchObject({ code: 'network' });
    expect(server.received).toHaveLength(1);
  });

  it.each([
    ['is not there', 'missing.jpg', /missing.jpg: there is no such file/],
    ['is a folder', '.', /it is a folder/],
  ])('that %s is named', async (_what, name, message) => {
    using dir = tempDir();
    const upload = store().entities.upload(path.join(dir.path, name));
    await expect(upload).rejects.toBeInstanceOf(FileError);
    await expect(upload).rejects.toThrow(message);
    expect(server.received).toHaveLength(0);
  });

  it('that is no file at all is named, not taken for a server that is away', async () => {
    for (const input of [{ width: 3 }, 42, null] as unknown as FileInput[])
      await expect(store().entities.upload(input)).rejects.toBeInstanceOf(FileError);
    expect(server.received).toHaveLength(0);
  });
});
