import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError, StoreClient } from '../src/index.js';
import { startServer, type TestServer } from './support/server.js';

const CONTENT = randomBytes(2_000_000);
let server: TestServer;
let dir: TempDir;
/** How the server serves it. */
let content: Buffer;
let etag: string | undefined;
/** Bytes after which the connection is broken, one for each answer. */
let breaks: number[];

beforeEach(async () => {
  content = CONTENT;
  etag = '"one"';
  breaks = [];
  dir = tempDir();
  server = await startServer((request, response) => {
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const part = from > 0 && request.headers['if-range'] === etag;
    const body = part ? content.subarray(from) : content;
    response.writeHead(part ? 206 : 200, {
      'content-length': body.length,
      ...(etag !== undefined && { etag }),
      ...(part && { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }),
    });
    const cut = breaks.shift();
    if (cut === undefined) return void response.end(body);
    response.write(body.subarray(0, cut), () => response.destroy());
  });
});
afterEach(async () => {
  await server.stop();
  dir.remove();
});

const dest = () => path.join(dir.path, 'deep', 'copy.bin');
const download = (to = dest()) => new StoreClient({ baseUrl: server.url, retry: { retries: 0 } }).media.download(1, to);
const left = () => fs.readdirSync(path.dirname(dest()));

describe('a download', () => {
  it('arrives whole, in folders that it makes, and leaves nothing else', async () => {
    await expect(download()).resolves.toMatchObject({ path: dest(), size: CONTENT.length });
    expect(fs.readFileSync(dest()).equals(CONTENT)).toBe(true);
    expect(left()).toEqual(['copy.bin']);
  });

  it('continues where the connection broke', async () => {
    breaks = [500_000, 300_000];
    await download();
    expect(fs.readFileSync(dest()).equals(CONTENT)).toBe(true);
    const ranges = server.received.map(({ headers }) => headers.range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.slice(1).every((range) => Number(/(\d+)/.exec(range ?? '')?.[1]) > 0)).toBe(true);
  });

  it('starts again if the content has changed', async () => {
    breaks = [500_000];
    const pending = download();
    const other = randomBytes(1_000_000);
    server.received.push = function (...items) {
      if (this.length > 0) {
        content = other;
        etag = '"two"';
      }
      return Array.prototype.push.apply(this, items);
    };
    await pending;
    expect(fs.readFileSync(dest()).equals(other)).toBe(true);
    expect(left()).toEqual(['copy.bin']);
  });

  it('starts again if the server gives no validator', async () => {
    etag = undefined;
    breaks = [500_000];
    await download();
    expect(fs.readFileSync(dest()).equals(CONTENT)).toBe(true);
    expect(server.received.every(({ headers }) => headers.range === undefined)).toBe(true);
  });

  it('that failed shows no file, and is continued by the next call', async () => {
    breaks = [900_000, 0, 0, 0, 0, 0, 0, 0];
    await expect(download()).rejects.toMatchObject({ code: 'network' });
    expect(fs.existsSync(dest())).toBe(false);
    breaks = [];
    server.received.length = 0;
    await download();
    expect(fs.readFileSync(dest()).equals(CONTENT)).toBe(true);
    expect(server.received.at(-1)?.headers.range).toMatch(/^bytes=[1-9]\d+-$/);
    expect(left()).toEqual(['copy.bin']);
  }, 20_000);

  it('to where no file can be says so, and leaves nothing', async () => {
    fs.mkdirSync(dest(), { recursive: true });
    await expect(download()).rejects.toThrow(/copy.bin: it is a folder/);
    expect(left()).toEqual(['copy.bin']);
    fs.rmdirSync(dest());
    fs.writeFileSync(dest(), '');
    await expect(download(path.join(dest(), 'below'))).rejects.toThrow(FileError);
    expect(left()).toEqual(['copy.bin']);
  });
});
