/** Hostile web pages in the browser of a user who runs the platform without logins. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SERVICES } from '../authorisation-table.js';
import { Programs } from '../support/programs.js';
import { RawClient } from './support/raw-client.js';

let programs: Programs;
beforeAll(async () => {
  programs = await Programs.start({ env: { AUTH_DISABLED: 'true', ALLOWED_HOSTS: 'photos.example.org' } });
});
afterAll(() => programs.stop());

async function statusOf(port: number, request: string, headers: Record<string, string>): Promise<number> {
  const client = await RawClient.connect(port);
  client.head(request, { connection: 'close', ...headers });
  await client.closed();
  return client.status;
}

it.each(SERVICES)(
  '%s answers only to its own names, so that a name that is later bound to its address reads nothing',
  async (service) => {
    const port = programs.port(service);
    for (const [host, expected] of [
      ['rebound.example', 421],
      [`rebound.example:${port}`, 421],
      [`localhost:${port}`, 200],
      ['photos.example.org', 200],
    ] as const)
      expect([host, await statusOf(port, 'GET /', { host })]).toEqual([host, expected]);
  },
);

it('a foreign page can neither empty the trash nor create a job, even without logins', async () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '6' };
  const forged = { ...form, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  for (const [service, request] of [
    ['store', 'POST /system/purge-trash'],
    ['store', 'DELETE /entities/1'],
    ['compute', 'POST /jobs/hash'],
    ['compute', 'PUT /admin/pref/guest-mode'],
    ['auth', 'POST /auth/token'],
  ] as const)
    expect([request, await statusOf(programs.port(service), request, forged)]).toEqual([request, 403]);
  const client = await RawClient.connect(programs.port('store'));
  client.head('POST /system/purge-trash', { ...form, connection: 'close' });
  await client.write('days=9');
  await client.closed();
  expect(client.status).toBe(200);
});
