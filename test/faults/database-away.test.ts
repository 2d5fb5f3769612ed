/**
 * The whole platform on a PostgreSQL that is cut off, freezes and comes back: no process ends, no answer is a 500, readiness
 * reports it within two seconds, and jobs that were queued before are done afterwards.
 */
import fs from 'node:fs';
import path from 'node:path';
import {
  eventually,
  hasPostgres,
  postgresDatabase,
  type TcpLink,
  type TestDatabase,
  tcpLink,
} from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endPlatform, startTestPlatform, type TestPlatform } from '../../apps/server/test/platform/support.js';

const PROGRAMS = ['auth-server', 'store', 'compute-server', 'compute-worker', 'm-insight-worker', 'cl-broker'];
const READY_WITHIN_MS = 2_500;

interface Reply {
  readonly status: number;
  readonly ms: number;
  readonly retryAfter: string | null;
  readonly body: Record<string, unknown>;
}

describe.runIf(hasPostgres())('a platform whose PostgreSQL goes away', () => {
  let server: TestDatabase;
  let link: TcpLink;
  let platform: TestPlatform;
  let token = '';

  const request = async (url: string, init: RequestInit = {}): Promise<Reply> => {
    const begun = performance.now();
    const headers = { authorization: `Bearer ${token}`, ...init.headers };
    const answer = await fetch(url, { signal: AbortSignal.timeout(45_000), ...init, headers });
    const body = (await answer.json()) as Record<string, unknown>;
    return {
      status: answer.status,
      ms: performance.now() - begun,
      retryAfter: answer.headers.get('retry-after'),
      body,
    };
  };
  const bases = () => [platform.urls.auth, platform.urls.store, platform.urls.compute];
  const hash = async (): Promise<Reply> => {
    const form = new FormData();
    form.append('file', new Blob([`content ${Math.random()}`]), 'a.txt');
    return request(`${platform.urls.compute}/jobs/hash`, { method: 'POST', body: form });
  };
  const finished = (id: unknown) =>
    eventually(
      async () => {
        const { body } = await request(`${platform.urls.compute}/jobs/${String(id)}`);
        return body['status'] === 'completed';
      },
      { within: 60_000, what: `job ${String(id)}` },
    );
  const pids = () => PROGRAMS.map((program) => [program, platform.launcher.childPid(program)]);
  const requests = () => [
    request(`${platform.urls.auth}/users/`),
    request(`${platform.urls.store}/entities`),
    request(`${platform.urls.store}/entities/1`),
    request(`${platform.urls.compute}/jobs/00000000-0000-4000-8000-000000000000`),
    hash(),
  ];

  beforeAll(async () => {
    server = await postgresDatabase();
    const url = new URL(server.url);
    link = await tcpLink(Number(url.port));
    url.port = String(link.port);
    platform = await startTestPlatform({}, { DATABASE_URL: url.href });
    token = await platform.token();
    await finished((await hash()).body['job_id']);
  });
  afterAll(async () => {
    link.restore();
    await endPlatform(platform);
    await link.close();
    await server.drop();
  });

  it.each(['freeze', 'cut'] as const)(
    'answers 503 with Retry-After, keeps running, and continues by itself (%s)',
    async (fault) => {
      const before = pids();
      link[fault]();
      for (const reply of await Promise.all(bases().map((base) => request(`${base}/readyz`)))) {
        expect(reply).toMatchObject({ status: 503, body: { checks: { database: { ok: false } } } });
        expect(reply.ms).toBeLessThan(READY_WITHIN_MS);
      }
      for (const base of bases()) expect((await request(`${base}/livez`)).status).toBe(200);
      for (const reply of await Promise.all(requests())) {
        expect(reply).toMatchObject({ status: 503, body: { code: 'unavailable' } });
        expect(Number(reply.retryAfter)).toBeGreaterThan(0);
      }
      link.restore();
      for (const base of bases())
        await eventually(async () => (await request(`${base}/readyz`)).status === 200, { within: 60_000, what: base });
      await finished((await hash()).body['job_id']);
      expect(pids()).toEqual(before);
      expect(fs.existsSync(path.join(platform.dir.path, 'store.db'))).toBe(false);
    },
    150_000,
  );
});
