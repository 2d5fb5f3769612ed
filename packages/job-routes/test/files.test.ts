import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finishOne, startApi, type TestApi } from './support/api.js';

/** The path goes out as it is written; fetch would resolve `..`. */
const raw = (base: string, target: string): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    http
      .get(base, { path: target, agent: false, headers: { 'x-user': 'ann' } }, (answer) => {
        let body = '';
        answer.on('data', (chunk) => {
          body += String(chunk);
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
      })
      .on('error', reject);
  });

describe.each(backends())('files of a job ($name)', (backend) => {
  let api: TestApi;
  let id: string;
  beforeAll(async () => {
    api = await startApi(backend);
    id = await api.upload({ name: 'in put.txt', content: '0123456789' });
    await finishOne(api.jobs, { 'output/a.json': '{"a":1}', 'output/hls/seg 1.ts': 'seg', 'output/x.html': '<b>' });
    fs.writeFileSync(path.join(api.folder, 'secret.txt'), 'secret');
  });
  afterAll(() => api.close());
  const get = (file: string, headers: Record<string, string> = {}, method = 'GET') =>
    api.request(method, `/jobs/${id}/files/${file}`, { user: 'ann', headers });

  it('are its input and its results, with name and type', async () => {
    const input = await get('input/in%20put.txt');
    expect([input.status, input.text]).toEqual([200, '0123456789']);
    expect(input.headers.get('content-disposition')).toBe('attachment; filename="in put.txt"');
    const output = await get('output/a.json');
    expect([output.text, output.headers.get('content-type')]).toEqual(['{"a":1}', 'application/json']);
    expect((await get('output/hls/seg%201.ts')).headers.get('content-type')).toBe('video/mp2t');
    const page = await get('output/x.html');
    expect(page.headers.get('content-disposition')).toMatch(/^attachment/);
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page.headers.get('content-security-policy')).toMatch(/sandbox/);
  });

  it('come in parts, and not twice', async () => {
    const part = await get('input/in%20put.txt', { range: 'bytes=2-4' });
    expect([part.status, part.text, part.headers.get('content-range')]).toEqual([206, '234', 'bytes 2-4/10']);
    expect((await get('input/in%20put.txt', { range: 'bytes=10-' })).status).toBe(416);
    const head = await get('input/in%20put.txt', {}, 'HEAD');
    expect([head.status, head.headers.get('content-length'), head.text]).toEqual([200, '10', '']);
    const etag = head.headers.get('etag') ?? '';
    expect((await get('input/in%20put.txt', { 'if-none-match': etag })).status).toBe(304);
  });

  it.each([
    ['output/none.bin', 404, 'File not found: output/none.bin'],
    ['output', 400, 'Path is not a file: output'],
    ['', 400, 'Path is not a file: '],
    ['attempts/1/output/a.json', 404, 'File not found: attempts/1/output/a.json'],
  ])('%j is answered with %d', async (file, status, detail) => {
    const answer = await get(file);
    expect([answer.status, answer.json.detail]).toEqual([status, detail]);
  });

  it.each([
    '..%2f..%2fsecret.txt',
    '%2e%2e/secret.txt',
    '../secret.txt',
    '../../../../etc/passwd',
    '..%5c..%5csecret.txt',
    'output/../../secret.txt',
    'output/..%2f..%2f..%2fsecret.txt',
    '/etc/passwd',
    '%2fetc%2fpasswd',
    'output/a.json%00.png',
    '....//....//secret.txt',
  ])('%j never leaves the job', async (file) => {
    const { status, body } = await raw(api.base, `/jobs/${id}/files/${file}`);
    expect([400, 403, 404]).toContain(status);
    expect(body).not.toMatch(/^secret|root:/);
    expect(body).not.toContain(api.folder);
  });

  it('climbing is called what it is', async () => {
    const { status, body } = await raw(api.base, `/jobs/${id}/files/..%2fsecret.txt`);
    expect([status, JSON.parse(body).detail]).toEqual([403, 'Access denied: path traversal detected']);
  });

  it('a link that leads out is not followed', async () => {
    fs.symlinkSync('/etc/hostname', path.join(api.folder, id, 'input', 'link'));
    fs.symlinkSync('/etc', path.join(api.folder, id, 'input', 'folder'));
    expect((await get('input/link')).status).toBe(403);
    expect((await get('input/folder/hostname')).status).toBe(403);
  });

  it('are nobody else’s', async () => {
    for (const user of ['bob', undefined]) {
      const answer = await api.request('GET', `/jobs/${id}/files/input/in%20put.txt`, user ? { user } : {});
      expect([answer.status, answer.json.detail]).toEqual([404, `Job ${id} not found`]);
    }
    expect((await api.request('GET', `/jobs/${id}/files/output/a.json`, { user: 'root!' })).status).toBe(200);
  });
});
