/** Hostile and interrupted uploads: each ends in a clear refusal, or in a file that does no harm. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import type { AuditReport } from '@cl-server/contract';
import { backends, eventually } from '@cl-server/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from './support/store.js';
import { ADMIN, WRITER } from './support/tokens.js';

/** A PNG of one colour, one bit for each pixel. */
function whitePng(side: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1;
  const rows = deflateSync(Buffer.alloc(side * (1 + Math.ceil(side / 8))), { level: 1 });
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}

describe.each(backends().slice(0, 1))('hostile uploads', (backend) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await startStore(backend);
  });
  afterEach(async () => {
    const incoming = path.join(store.mediaDir, '.incoming');
    await eventually(() => fs.readdirSync(incoming).length === 0, { what: 'an empty folder of unfinished uploads' });
    const { json } = await store.get<AuditReport>('/system/audit', { token: ADMIN });
    expect(json).toMatchObject({ orphaned_files: [], missing_files: [] });
  });
  afterAll(() => store.stop());

  const part = (head: string, text: string): string =>
    `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n${text}\r\n`;
  const parts = (fields: Record<string, string | number>, bytes: string): string =>
    [
      ...Object.entries(fields).map(([name, value]) => part(`name="${name}"`, String(value))),
      part('name="media_file"; filename="a"', bytes),
      '--b--\r\n',
    ].join('');
  /** Sends raw bytes. @returns the response until the connection ended, and a function that sends more */
  const raw = (length: number, body: string) => {
    const { hostname, port } = new URL(store.url);
    const socket = net.connect(Number(port), hostname);
    const chunks: Buffer[] = [];
    const answer = new Promise<string>((resolve) => {
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(String(Buffer.concat(chunks))));
    });
    socket.write(
      `POST /entities HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${WRITER}\r\n` +
        `Content-Type: multipart/form-data; boundary=b\r\nContent-Length: ${length}\r\n\r\n${body}`,
    );
    return { socket, answer };
  };

  it('stores a picture of 16,000 × 16,000 pixels, and refuses to decode it', async () => {
    const { status, json } = await store.upload(whitePng(16_000), 'large.png');
    expect([status, json.width, json.height, json.mime_type]).toEqual([201, 16_000, 16_000, 'image/png']);
    const preview = await store.get<{ detail: string }>(`/entities/${json.id}/preview`);
    expect([preview.status, preview.json.detail]).toEqual([422, expect.stringContaining('16000')]);
  });

  it.each([
    ['gif that is a page', Buffer.from('GIF89a\x01\0\x01\0\x80\0\0<script>alert(1)</script>;PK\x05\x06')],
    ['drawing with a script', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>')],
    ['page', Buffer.from('<html><script>alert(1)</script></html>')],
  ])('lets no browser run a %s', async (_name, bytes) => {
    const { status, json } = await store.upload(bytes, 'a.jpg');
    expect(status).toBe(201);
    const { headers } = await store.get(`/entities/${json.id}/media?inline=true`);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain('sandbox');
    const isShown = headers.get('content-disposition')?.startsWith('inline');
    expect(isShown).toBe(json.mime_type === 'image/gif');
  });

  it('refuses a body that is shorter or longer than announced', async () => {
    const before = await store.list();
    const body = parts({ is_collection: 'false' }, 'short or long');
    expect(await raw(body.length - 20, body).answer).not.toContain('HTTP/1.1 2');
    const { socket, answer } = raw(body.length + 20, body);
    socket.end();
    expect(await answer).not.toContain('HTTP/1.1 2');
    expect((await store.list()).pagination.total_items).toBe(before.pagination.total_items);
  });

  it('refuses media whose collection is removed while the bytes arrive', async () => {
    const { id } = await store.collection('going');
    const body = parts({ is_collection: 'false', parent_id: id }, randomBytes(20).toString('hex'));
    const { socket, answer } = raw(body.length, body.slice(0, -15));
    const incoming = path.join(store.mediaDir, '.incoming');
    await eventually(() => fs.readdirSync(incoming).length > 0, { what: 'the first bytes' });
    await store.patch(id, { is_deleted: 'true' });
    await store.remove(id);
    socket.write(body.slice(-15));
    expect(await answer).toContain(`Cannot set parent_id to ${id}: parent entity does not exist`);
  });
});
