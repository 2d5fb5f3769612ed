/** The bundle for browsers: its size, what is not in it, and that it works in one. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { hasChromium, projectRoot, which } from '@cl-server/testing';
import { chromium } from 'playwright-core';
import { build, type OutputChunk } from 'rolldown';
import { beforeAll, describe, expect, it } from 'vitest';

const LIMIT = 60 * 1024;
const PAGE = `<!doctype html><script type="module">import * as sdk from '/client.js'; window.sdk = sdk</script>`;

let bundle: OutputChunk[];
beforeAll(async () => {
  const { output } = await build({
    input: { client: path.join(projectRoot, 'packages/client/src/index.ts') },
    platform: 'browser',
    resolve: { conditionNames: ['cl-source', 'browser', 'import', 'default'] },
    output: { format: 'esm', minify: true },
    write: false,
    logLevel: 'silent',
  });
  bundle = output.filter((part) => part.type === 'chunk');
});

const chunkNamed = (name: string): OutputChunk =>
  bundle.find(({ fileName }) => fileName === name) ?? expect.fail(`no ${name}`);

/** The entry and what it loads at once; what it loads on demand is not of it. */
function atOnce(): OutputChunk[] {
  const chunks = new Set<OutputChunk>();
  const visit = (chunk: OutputChunk): void => {
    if (chunks.has(chunk)) return;
    chunks.add(chunk);
    for (const name of chunk.imports) visit(chunkNamed(name));
  };
  visit(chunkNamed('client.js'));
  return [...chunks];
}

const modulesOf = (chunks: readonly OutputChunk[]): string[] => chunks.flatMap(({ moduleIds }) => moduleIds);

describe('the browser bundle', () => {
  it('is under 60 kB, gzipped', () => {
    const size = atOnce().reduce((sum, { code }) => sum + gzipSync(code).length, 0);
    expect(size).toBeLessThan(LIMIT);
  });

  it('holds nothing of Node, and MQTT and zod only on demand', () => {
    const all = modulesOf(bundle);
    expect(all.filter((file) => /platform\/node/.test(file))).toEqual([]);
    expect(modulesOf(atOnce()).filter((file) => file.includes('/node_modules/'))).toEqual([]);
    for (const name of ['mqtt', 'zod']) expect(all.some((file) => file.includes(`/node_modules/${name}/`))).toBe(true);
  });

  it.runIf(hasChromium())('works in a browser: login, upload with progress, events, job, bytes', async () => {
    const server = http.createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const body = Buffer.concat(parts);
      const { pathname } = new URL(request.url ?? '/', 'http://x');
      const send = (type: string, content: string | Uint8Array, status = 200): void =>
        void response.writeHead(status, { 'content-type': type }).end(content);
      const json = (value: unknown, status = 200): void => send('application/json', JSON.stringify(value), status);
      const script = bundle.find(({ fileName }) => `/${fileName}` === pathname);
      const job = { job_id: 'j', task_type: 'hash', status: 'completed', progress: 100, params: {}, created_at: 1 };
      if (pathname === '/') send('text/html', PAGE);
      else if (script) send('text/javascript', script.code);
      else if (pathname === '/auth/token') json({ access_token: 'a.b.c', token_type: 'bearer' });
      else if (request.headers.authorization !== 'Bearer a.b.c') json({ detail: 'no', code: 'unauthenticated' }, 401);
      else if (pathname === '/users/me') json({ id: 1, username: 'ann', permissions: [] });
      else if (pathname === '/entities') json({ id: 7, file_size: body.length }, 201);
      else if (pathname === '/entities/7/media') send('application/octet-stream', 'bytes');
      else if (pathname === '/jobs/hash') json({ job_id: 'j', status: 'queued', task_type: 'hash' });
      else if (pathname === '/jobs/j') json({ ...job, status: 'processing', task_output: null });
      else if (pathname === '/jobs/j/events')
        send('text/event-stream', `data: ${JSON.stringify({ ...job, task_output: { phash: 'f'.repeat(16) } })}\n\n`);
      else json({ detail: `nothing at ${pathname}` }, 404);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const browser = await chromium.launch({
      executablePath: which('chromium') ?? '',
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
    });
    try {
      const page = await browser.newPage();
      await page.goto(base);
      await page.waitForFunction(() => 'sdk' in window);
      const result = await page.evaluate(async (url) => {
        const { sdk } = window as unknown as { sdk: typeof import('../src/index.js') };
        const cl = new sdk.ClServer({ urls: { auth: url, store: url, compute: url, mqtt: 'mqtt://localhost:1' } });
        await cl.session.login('ann', 'right');
        const file = new File([new Uint8Array(200_000)], 'a.jpg', { type: 'image/jpeg' });
        const seen: number[] = [];
        const { entity, created } = await cl.store.entities.upload(file, { onProgress: (p) => seen.push(p.loaded) });
        const { phash } = await cl.compute.hash.compute(file).output;
        const refused = await new sdk.StoreClient({ baseUrl: url }).entities.get(1).catch((error: Error) => error.name);
        return {
          created,
          enough: (entity.file_size ?? 0) > 200_000,
          progress: seen.length > 0,
          phash,
          bytes: new TextDecoder().decode(await cl.store.media.bytes(7)),
          refused,
          path: await cl.store.entities.upload('a/path.jpg').catch((error: Error) => error.message),
          mqtt: cl.mqtt === undefined,
        };
      }, base);
      expect(result).toEqual({
        created: true,
        enough: true,
        progress: true,
        phash: 'f'.repeat(16),
        bytes: 'bytes',
        refused: 'AuthenticationError',
        path: 'A browser cannot read the path a/path.jpg: hand over a File or a Blob',
        mqtt: true,
      });
    } finally {
      await browser.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
