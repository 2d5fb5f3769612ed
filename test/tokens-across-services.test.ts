/** The promises to users about their tokens, with each service in a separate process. */
import fs from 'node:fs';
import path from 'node:path';
import { eventually, projectRoot } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_PASSWORD, Programs } from './support/programs.js';

const kidOf = (token: string): unknown =>
  JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid;
const isBuilt = ['auth', 'store', 'compute'].every((name) =>
  fs.existsSync(path.join(projectRoot, 'services', name, 'dist/index.js')),
);

describe.skipIf(!isBuilt)('tokens, with auth, store and compute running', () => {
  let programs: Programs;
  let admin: string;
  beforeAll(async () => {
    programs = await Programs.start();
    admin = await programs.login('admin', ADMIN_PASSWORD);
  });
  afterAll(() => programs.stop());

  /** The answers of each service to a token. */
  const everywhere = async (token: string): Promise<Record<'auth' | 'store' | 'compute', number>> => {
    const [auth, store, compute] = await Promise.all([
      programs.ask('auth', 'GET /users/me', token),
      programs.ask('store', 'GET /entities', token),
      programs.ask('compute', 'GET /jobs', token),
    ]);
    return { auth: auth.status, store: store.status, compute: compute.status };
  };
  const ACCEPTED = { auth: 200, store: 200, compute: 200 };

  it('no request fails while the keys are rotated twice under load, and the oldest tokens stay valid', async () => {
    let done = false;
    let requests = 0;
    const kids = new Set<unknown>();
    const client = async (): Promise<void> => {
      let token = admin;
      while (!done) {
        const { status, json } = await programs.ask('auth', 'POST /auth/token/refresh', token);
        expect(status).toBe(200);
        token = json.access_token as string;
        kids.add(kidOf(token));
        expect(await everywhere(token)).toEqual(ACCEPTED);
        expect(await everywhere(admin)).toEqual(ACCEPTED);
        requests += 7;
      }
    };
    const operator = async (): Promise<void> => {
      for (const _ of [1, 2]) {
        const before = requests;
        const kid = await programs.rotateKeys();
        await eventually(() => kids.has(kid), { what: 'a token signed by the new key' });
        await eventually(() => requests > before + 20, { what: 'requests after the rotation' });
      }
    };
    const stop = (): void => {
      done = true;
    };
    await Promise.all([operator().finally(stop), ...[1, 2, 3, 4].map(() => client().finally(stop))]);
    expect(kids.size).toBe(3);
    expect(await everywhere(admin)).toEqual(ACCEPTED);
  });

  it('the access tokens of an ended session are refused by auth at once, and by store and compute within 5 s', async () => {
    const start = async () => {
      const response = await fetch(`${programs.url('auth')}/auth/sessions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username: 'admin', password: ADMIN_PASSWORD }),
      });
      return (await response.json()) as { access_token: string; session_id: string };
    };
    const [ended, other] = [await start(), await start()];
    expect(await everywhere(ended.access_token)).toEqual(ACCEPTED);
    await programs.ask('auth', `DELETE /auth/sessions/${ended.session_id}`, other.access_token);
    expect((await everywhere(ended.access_token)).auth).toBe(401);
    await eventually(
      async () => {
        const { store, compute } = await everywhere(ended.access_token);
        return store === 401 && compute === 401;
      },
      { within: 5_000, every: 250, what: 'refusal everywhere' },
    );
    expect(await everywhere(other.access_token)).toEqual(ACCEPTED);
  });

  it('a revoked token is refused by auth at once, and by store and compute within 5 s', async () => {
    const password = 'of-this-user';
    const deaths: Record<string, (id: number) => Promise<{ status: number }>> = {
      'password changed': (id) => programs.ask('auth', `PUT /users/${id}`, admin, { password: 'another-one' }),
      deactivated: (id) => programs.ask('auth', `PUT /users/${id}`, admin, { is_active: 'false' }),
      'right taken away': (id) => programs.ask('auth', `PUT /users/${id}`, admin, { permissions: 'media_store_read' }),
      deleted: (id) => programs.ask('auth', `DELETE /users/${id}`, admin),
    };
    const lives = await Promise.all(
      Object.keys(deaths).map(async (username) => {
        const form = { username, password, permissions: 'media_store_read,ai_inference_support' };
        const { json } = await programs.ask('auth', 'POST /users', admin, form);
        const token = await programs.login(username, password);
        expect([username, await everywhere(token)]).toEqual([username, ACCEPTED]);
        return { username, id: json.id as number, token };
      }),
    );
    await Promise.all(
      lives.map(async ({ username, id, token }) => {
        expect((await deaths[username]?.(id))?.status).toBeLessThan(300);
        expect((await everywhere(token)).auth).toBe(401);
        await eventually(
          async () => {
            const { store, compute } = await everywhere(token);
            return store === 401 && compute === 401;
          },
          { within: 5_000, every: 250, what: `refusal everywhere: ${username}` },
        );
      }),
    );
    const again = await programs.login('password changed', 'another-one');
    expect(await everywhere(again)).toEqual(ACCEPTED);
  });

  const newUser = async (username: string) => {
    const form = { username, password: 'of-this-user', permissions: 'media_store_read,ai_inference_support' };
    const { json } = await programs.ask('auth', 'POST /users', admin, form);
    return { id: json.id as number, token: await programs.login(username, 'of-this-user') };
  };

  it('an event stream ends within 5 s after its listener was deactivated', async () => {
    const { id, token } = await newUser('listener');
    const headers = { authorization: `Bearer ${token}` };
    const body = new FormData();
    body.append('file', new Blob(['hello']), 'a.txt');
    const made = await fetch(`${programs.url('compute')}/jobs/hash`, { method: 'POST', headers, body });
    const { job_id } = (await made.json()) as { job_id: string };
    const stream = await fetch(`${programs.url('compute')}/jobs/${job_id}/events`, { headers });
    expect(stream.status).toBe(200);
    const ended = stream.text();
    expect((await programs.ask('auth', `PUT /users/${id}`, admin, { is_active: 'false' })).status).toBe(200);
    const start = performance.now();
    expect(await ended).toContain('"status":"queued"');
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  it('a revoked token stays revoked if a service restarts while auth is away, and valid ones stay valid', async () => {
    const { id, token } = await newUser('gone');
    // The key file holds only the newest key, and the keys were rotated above.
    const good = await programs.login('admin', ADMIN_PASSWORD);
    await programs.ask('auth', `PUT /users/${id}`, admin, { is_active: 'false' });
    await programs.kill('auth');
    await programs.restart('store');
    expect((await programs.ask('store', 'GET /entities', token)).status).toBe(401);
    expect((await programs.ask('store', 'GET /entities', good)).status).toBe(200);
    // Without the file, the service cannot distinguish them.
    fs.rmSync(path.join(programs.dataDir, 'revocations.json'));
    await programs.restart('compute');
    for (const each of [token, good]) expect((await programs.ask('compute', 'GET /jobs', each)).status).toBe(503);
    expect((await programs.ask('compute', 'GET /readyz')).status).toBe(503);
  });
});
