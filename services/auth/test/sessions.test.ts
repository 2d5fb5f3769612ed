import { openDatabase, silentLogger } from '@cl-server/service-kit';
import { backends } from '@cl-server/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Retention } from '../src/database/retention.js';
import type { AuthTables } from '../src/database/tables.js';
import { claimsOf, Harness, PASSWORD, type Reply } from './harness.js';

const DAY = 86_400_000;

describe.each(backends())('sessions on $name', (backend) => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start(backend, { tokenLifetime: 600 });
  });
  afterAll(() => h.stop());

  const send = (method: string, url: string, body?: unknown, more: { token?: string; from?: string } = {}) =>
    h.ask(method, url, {
      headers: { 'content-type': 'application/json', 'user-agent': 'agent/1' },
      ...(body !== undefined && { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...more,
    });
  const start = async (username: string, more: object = {}, from = '127.0.0.1') => {
    const reply = await send('POST', '/auth/sessions', { username, password: PASSWORD, ...more }, { from });
    expect(reply.status, reply.text).toBe(201);
    return reply.json as { access_token: string; refresh_token: string; session_id: string; expires_in: number };
  };
  const refresh = (token: unknown, from = '127.0.0.1'): Promise<Reply> =>
    send('POST', '/auth/sessions/refresh', { refresh_token: token }, { from });
  const list = async (token: string) => (await h.ask('GET', '/auth/sessions', { token })).json.items;
  const feed = async (since = 0) =>
    (await h.ask('GET', `/auth/revocations?ended_since=${since}`, { token: h.credential })).json;
  const auditOf = async (action: string) =>
    (await h.ask('GET', `/audit?action=${action}`, { token: h.admin })).json.items;

  it('give short tokens and are listed to their user with device, address and last use, without secrets', async () => {
    await h.create('ann');
    const reply = await send('POST', '/auth/sessions', { username: 'ann', password: PASSWORD, device: 'phone' });
    expect([reply.status, reply.headers['cache-control'], reply.json.expires_in]).toEqual([201, 'no-store', 600]);
    const { access_token: token, refresh_token: secret, session_id: id } = reply.json;
    expect(secret).toMatch(/^clr_[\w-]{86}$/);
    expect(claimsOf(token)).toMatchObject({ username: 'ann', sid: id });
    expect((await h.me(token)).status).toBe(200);
    await start('ann', {}, '10.0.0.9');
    await start('ann', { device: '' });
    const sessions = await list(token);
    expect(sessions.map((s: { device: string }) => s.device).sort()).toEqual(['agent/1', 'agent/1', 'phone']);
    const mine = sessions.find((s: { current: boolean }) => s.current);
    expect(mine).toMatchObject({ id, device: 'phone', address: '127.0.0.1' });
    expect(mine.expires_at - mine.last_used_at).toBe(30 * DAY);
    expect(sessions.filter((s: { current: boolean }) => s.current)).toHaveLength(1);
    expect(JSON.stringify(sessions)).not.toContain(secret.slice(4, 47));
    const rows = await sql`select * from sessions`.execute(openDatabase(h.databaseUrl, { schema: 'auth' }).kysely);
    for (const part of [secret.slice(4, 47), secret.slice(47)]) expect(JSON.stringify(rows)).not.toContain(part);
    expect(await list(await h.login('ann'))).toHaveLength(3);
    expect((await auditOf('session.created'))[0]).toMatchObject({ actor: 'ann', details: { device: 'agent/1' } });
  });

  it('start under the limits of all logins, with one answer to each wrong login and without an echo of passwords', async () => {
    await h.create('bob');
    const off = await h.create('off');
    await h.change(off.id, { is_active: 'false' });
    for (const [username, password] of [
      ['bob', 'wrong-password'],
      ['nobody', PASSWORD],
      ['off', PASSWORD],
    ]) {
      const reply = await send('POST', '/auth/sessions', { username, password });
      expect([reply.status, reply.json.detail]).toEqual([401, 'Incorrect username or password']);
    }
    for (const body of [
      { username: 'bob', password: 12_345_678 },
      { username: 'bob' },
      { username: 'bob', password: 'x'.repeat(73) },
      { username: 'bob', password: PASSWORD, device: 'a\u001b[2J' },
      { username: 'bob', password: PASSWORD, device: 'y'.repeat(101) },
    ]) {
      const reply = await send('POST', '/auth/sessions', body);
      expect(reply.status).toBe(422);
      expect(reply.text).not.toMatch(/12345678|x{73}"/);
    }
    await h.create('guessed');
    const guess = (path: string) =>
      path === '/auth/token'
        ? h.tryLogin('guessed', 'wrong-password', '10.1.1.1')
        : send('POST', path, { username: 'guessed', password: 'wrong-password' }, { from: '10.1.1.1' });
    for (let i = 0; i < 10; i++) expect((await guess(i % 2 ? '/auth/token' : '/auth/sessions')).status).toBe(401);
    const locked = await guess('/auth/sessions');
    expect([locked.status, Number(locked.headers['retry-after'])]).toEqual([429, expect.any(Number)]);
    expect((await guess('/auth/token')).status).toBe(429);
  });

  it('continue with a new refresh token and the rights of now; the use of an old one ends the session and its tokens', async () => {
    const user = await h.create('carl', { permissions: 'old' });
    const first = await start('carl');
    const other = await start('carl');
    await h.change(user.id, { permissions: 'new' });
    expect((await h.me(first.access_token)).status).toBe(401);
    const second = await refresh(first.refresh_token, '10.0.0.7');
    expect([second.status, second.headers['cache-control']]).toEqual([200, 'no-store']);
    expect(claimsOf(second.json.access_token)).toMatchObject({ permissions: ['new'], sid: first.session_id });
    expect((await list(second.json.access_token)).find((s: { current: boolean }) => s.current).address).toBe(
      '10.0.0.7',
    );
    const { last_ended_seq: since } = await feed();
    const replayed = await refresh(first.refresh_token, '10.6.6.6');
    expect([replayed.status, replayed.json.detail]).toEqual([401, 'The session has ended: log in again']);
    expect((await refresh(second.json.refresh_token)).status).toBe(401);
    expect((await h.me(second.json.access_token)).status).toBe(401);
    const { ended } = await feed(since);
    expect(ended).toMatchObject([{ id: first.session_id }]);
    expect(ended[0].until).toBeGreaterThanOrEqual(Number(claimsOf(second.json.access_token).exp) * 1000);
    expect((await auditOf('session.token_reused'))[0]).toMatchObject({
      target: 'carl',
      address: '10.6.6.6',
      details: { session: first.session_id, last_address: '10.0.0.7' },
    });
    expect((await refresh(other.refresh_token)).status).toBe(200);
  });

  it('are refreshed by one of several requests that come at once with one token, and end because of the others', async () => {
    await h.create('twice');
    const { refresh_token } = await start('twice');
    const replies = await Promise.all(Array.from({ length: 5 }, () => refresh(refresh_token)));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401]);
    const winner = replies.find(({ status }) => status === 200);
    expect((await refresh(winner?.json.refresh_token)).status).toBe(401);
  });

  it('do not end because of forged, truncated, mixed or other tokens, and refuse each of them', async () => {
    await h.create('target');
    const a = await start('target');
    const b = await start('target');
    const secret = a.refresh_token;
    const zero = 'A'.repeat(43);
    const forged: readonly [unknown, number][] = [
      [secret.slice(0, -1), 401],
      [`${secret}A`, 401],
      [secret.slice(0, 47), 401],
      [secret.toUpperCase(), 401],
      [` ${secret}`, 401],
      [`clr_${zero}${secret.slice(47)}`, 401],
      [`clr_${zero}${zero}`, 401],
      [a.access_token, 401],
      [`clr_${b.session_id}`, 401],
      ['', 401],
      ['\u0000', 401],
      ['x'.repeat(513), 422],
      [12, 422],
      [null, 422],
      [[secret], 422],
      [undefined, 422],
    ];
    for (const [token, status] of forged) {
      const reply = await refresh(token, '10.9.9.9');
      expect([token, reply.status]).toEqual([token, status]);
      expect(reply.text).not.toContain(secret.slice(4, 40));
    }
    expect((await h.me(secret)).status).toBe(401);
    expect((await refresh(secret)).status).toBe(200);
    // The family of one session with the secret of another one was never issued. Only a holder of the family can send it.
    const mixed = b.refresh_token.slice(0, 47) + secret.slice(47);
    expect((await refresh(mixed)).status).toBe(401);
    expect((await refresh(b.refresh_token)).status).toBe(401);
  });

  it('are ended by their user, one or all, and by nobody else', async () => {
    await h.create('dora');
    await h.create('eve');
    const [a, b, c, d] = [await start('dora'), await start('dora'), await start('dora'), await start('eve')];
    const end = (path: string, token: string) => h.ask('DELETE', `/auth/sessions${path}`, { token });
    expect((await end(`/${a.session_id}`, d.access_token)).status).toBe(404);
    expect((await end(`/${a.session_id}`, h.admin)).status).toBe(404);
    expect((await end('/unknown', a.access_token)).status).toBe(404);
    expect((await end(`/${a.session_id}`, b.access_token)).status).toBe(204);
    expect((await h.me(a.access_token)).status).toBe(401);
    expect((await h.ask('POST', '/auth/token/refresh', { token: a.access_token })).status).toBe(401);
    expect((await refresh(a.refresh_token)).status).toBe(401);
    expect((await end('?keep_current=true', b.access_token)).status).toBe(204);
    expect((await list(b.access_token)).map((s: { id: string }) => s.id)).toEqual([b.session_id]);
    expect((await refresh(c.refresh_token)).status).toBe(401);
    expect((await end('', b.access_token)).status).toBe(204);
    expect((await h.me(b.access_token)).status).toBe(401);
    expect((await h.me(d.access_token)).status).toBe(200);
    const ended = (await feed()).ended.map(({ id }: { id: string }) => id);
    expect(ended).toEqual(expect.arrayContaining([a, b, c].map(({ session_id }) => session_id)));
    expect((await auditOf('session.ended'))[0]).toMatchObject({ actor: 'dora', details: { reason: 'by_user' } });
    expect((await feed(ended.length + 1_000)).last_ended_seq).toBe(0);
  });

  it('end with a password change, except the session that makes it, and with deactivation and deletion', async () => {
    const user = await h.create('fred');
    const [a, b] = [await start('fred'), await start('fred')];
    const changed = await h.ask('PUT', '/users/me/password', {
      token: a.access_token,
      form: { current_password: PASSWORD, new_password: 'secret-789' },
    });
    expect(claimsOf(changed.json.access_token)).toMatchObject({ sid: a.session_id });
    expect((await list(changed.json.access_token)).map((s: { id: string }) => s.id)).toEqual([a.session_id]);
    expect((await h.me(a.access_token)).status).toBe(401);
    expect((await refresh(b.refresh_token)).status).toBe(401);
    const next = await refresh(a.refresh_token);
    expect(next.status).toBe(200);
    await h.change(user.id, { password: PASSWORD });
    expect((await refresh(next.json.refresh_token)).status).toBe(401);
    const again = await start('fred');
    await h.change(user.id, { is_active: 'false' });
    await h.change(user.id, { is_active: 'true' });
    expect((await refresh(again.refresh_token)).status).toBe(401);
    const last = await start('fred');
    await h.ask('DELETE', `/users/${user.id}`, { token: h.admin });
    expect((await refresh(last.refresh_token)).status).toBe(401);
  });

  it('end when they are idle for 30 days, and after 90 days at the latest; expired rows are removed', async () => {
    await h.create('late');
    try {
      const idle = await start('late');
      h.offset = 30 * DAY - 1_000;
      let used = await refresh((await start('late')).refresh_token);
      expect((await refresh(idle.refresh_token)).status).toBe(200);
      h.offset = 60 * DAY + 1_000;
      expect((await refresh(used.json.refresh_token)).status).toBe(401);
      h.offset = 0;
      const busy = await start('late');
      used = await refresh(busy.refresh_token);
      for (const day of [25, 50, 75, 89.999]) {
        h.offset = day * DAY;
        used = await refresh(used.json.refresh_token);
        expect([day, used.status]).toEqual([day, 200]);
      }
      expect(used.json.expires_in).toBeLessThanOrEqual(87);
      const prolonged = await h.ask('POST', '/auth/token/refresh', { token: used.json.access_token });
      const { exp, iat } = claimsOf(prolonged.json.access_token);
      expect(Number(exp) - Number(iat)).toBeLessThanOrEqual(87);
      h.offset = 90 * DAY + 1_000;
      expect((await refresh(used.json.refresh_token)).status).toBe(401);
      const database = openDatabase<AuthTables>(h.databaseUrl, { schema: 'auth' });
      const count = async () => (await database.kysely.selectFrom('sessions').select('id').execute()).length;
      expect(await count()).toBeGreaterThan(0);
      const days = { auditDays: 0, sessionIdle: 30 * DAY, sessionMaxAge: 90 * DAY };
      h.offset = 200 * DAY;
      await new Retention({ database, ...days, logger: silentLogger(), now: h.now }).sweep();
      expect([await count(), (await feed()).ended]).toEqual([0, []]);
      await database.close();
    } finally {
      h.offset = 0;
    }
  });

  it('are limited per user: the one that was not used for the longest time ends', async () => {
    await h.create('many');
    const sessions = [];
    for (let i = 0; i < 101; i++) {
      h.offset = i * 10;
      sessions.push(await start('many'));
    }
    h.offset = 0;
    expect(await list(sessions[100]?.access_token ?? '')).toHaveLength(100);
    expect((await refresh(sessions[0]?.refresh_token)).status).toBe(401);
    expect((await refresh(sessions[1]?.refresh_token)).status).toBe(200);
  });

  it('limit refused refresh tokens per address and refreshes per session, without harm to others', async () => {
    await h.create('limit');
    let { refresh_token: token } = await start('limit');
    const statuses = [];
    for (let i = 0; i < 61; i++) statuses.push((await refresh(`clr_${'A'.repeat(86)}`, '10.8.8.8')).status);
    expect([statuses.filter((status) => status === 401).length, statuses.at(-1)]).toEqual([60, 429]);
    for (let i = 0; i < 30; i++) token = (await refresh(token)).json.refresh_token;
    const limited = await refresh(token);
    expect(limited.status).toBe(429);
    expect([9, 10]).toContain(Number(limited.headers['retry-after']));
    h.offset = 10_000;
    expect((await refresh(token)).status).toBe(200);
    h.offset = 0;
  });
});
