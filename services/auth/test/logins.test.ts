import fs from 'node:fs';
import path from 'node:path';
import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimsOf, Harness, headerOf, PASSWORD } from './harness.js';

describe.each(backends())('logins on $name', (backend) => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start(backend, { tokenLifetime: 600 });
  });
  afterAll(() => h.stop());

  it('start with a token that names the user, the rights and the expiry', async () => {
    const user = await h.create('ann', { permissions: 'read, write' });
    const reply = await h.tryLogin('ann');
    expect([reply.status, Object.keys(reply.json), reply.json.token_type]).toEqual([
      200,
      ['access_token', 'token_type'],
      'bearer',
    ]);
    expect(reply.headers['cache-control']).toBe('no-store');
    const token = reply.json.access_token;
    expect(headerOf(token)).toMatchObject({ alg: 'ES256', typ: 'JWT', kid: expect.stringMatching(/^[\w-]{43}$/) });
    const claims = claimsOf(token);
    expect(claims).toMatchObject({
      id: String(user.id),
      sub: String(user.id),
      username: 'ann',
      permissions: ['read', 'write'],
      is_admin: false,
      iss: 'cl-server',
      aud: 'cl-server',
      jti: expect.any(String),
    });
    expect(Number(claims.exp) - Number(claims.iat)).toBe(600);
    expect((await h.me(token)).json).toEqual(user);
  });

  it('start only with the right password; an unknown name, a wrong password and an inactive user get the same answer', async () => {
    await h.create('off', { is_active: 'false' });
    await h.create('bob');
    for (const reply of [
      await h.tryLogin('bob', 'wrong-password'),
      await h.tryLogin('nobody'),
      await h.tryLogin('off'),
      await h.tryLogin("bob' --"),
    ])
      expect([reply.status, reply.json.detail, reply.headers['www-authenticate']]).toEqual([
        401,
        'Incorrect username or password',
        'Bearer',
      ]);
    expect((await h.tryLogin('bob', 'x'.repeat(73))).status).toBe(422);
    expect((await h.ask('POST', '/auth/token', { form: { username: 'bob' } })).json.detail).toEqual([
      { type: 'missing', loc: ['body', 'password'], msg: 'Field required', input: null },
    ]);
    const odd = { username: 'bob', password: PASSWORD, grant_type: 'implicit' };
    expect((await h.ask('POST', '/auth/token', { form: odd })).json.detail[0].type).toBe('string_pattern_mismatch');
  });

  it('continue after a refresh with the rights that the user has now', async () => {
    const user = await h.create('carl');
    const token = await h.login('carl');
    await h.change(user.id, { permissions: 'new', is_admin: 'true' });
    const refreshed = await h.ask('POST', '/auth/token/refresh/', { token });
    expect(claimsOf(refreshed.json.access_token)).toMatchObject({ permissions: ['new'], is_admin: true });
    expect((await h.ask('GET', '/users/', { token })).status).toBe(200);
  });

  it('end at the expiry of their token', async () => {
    await h.create('late');
    const token = await h.login('late');
    h.offset = 599_000;
    expect((await h.me(token)).status).toBe(200);
    h.offset = 600_000;
    const reply = await h.me(token);
    h.offset = 0;
    expect([reply.status, reply.json.detail]).toEqual([401, 'Could not validate credentials']);
  });

  it.each([
    ['a password change', { password: 'secret-456' }, 'secret-456'],
    ['a demotion', { is_admin: 'false' }, PASSWORD],
    ['a permission taken away', { permissions: 'b' }, PASSWORD],
    ['deactivation', { is_active: 'false' }, undefined],
  ])(
    'end at once after %s, here and in the feed, and a new one starts in the same second',
    async (what, form, password) => {
      const name = `end-${what}`;
      const user = await h.create(name, { is_admin: 'true', permissions: 'a,b' });
      const token = await h.login(name);
      const { last_seq: since } = await h.revocations();
      expect((await h.change(user.id, form)).status).toBe(200);
      expect((await h.me(token)).status).toBe(401);
      expect((await h.ask('POST', '/auth/token/refresh', { token })).status).toBe(401);
      const { items } = await h.revocations(since);
      expect(items).toMatchObject([{ user_id: String(user.id) }]);
      expect(items[0]?.min_version).toBeGreaterThan(Number(claimsOf(token).ver));
      if (password === undefined) expect((await h.tryLogin(name)).status).toBe(401);
      else {
        const next = await h.login(name, password);
        expect((await h.me(next)).status).toBe(200);
        expect(Number(claimsOf(next).ver)).toBeGreaterThanOrEqual(items[0]?.min_version ?? Number.NaN);
      }
    },
  );

  it('stay ended when the user is activated again, and end when the user is deleted', async () => {
    const user = await h.create('again');
    const token = await h.login('again');
    await h.change(user.id, { is_active: 'false' });
    await h.change(user.id, { is_active: 'true' });
    expect((await h.me(token)).status).toBe(401);
    const next = await h.login('again');
    await h.ask('DELETE', `/users/${user.id}`, { token: h.admin });
    expect((await h.me(next)).status).toBe(401);
    expect((await h.revocations()).items.filter(({ user_id }) => user_id === String(user.id))).toHaveLength(1);
  });

  it('survive a change that takes no right away', async () => {
    const user = await h.create('more', { permissions: 'a' });
    const token = await h.login('more');
    const { last_seq: since } = await h.revocations();
    await h.change(user.id, { permissions: 'b,a', is_admin: 'true' });
    expect((await h.me(token)).json).toMatchObject({ is_admin: true, permissions: ['b', 'a'] });
    expect(await h.revocations(since)).toMatchObject({ items: [], last_seq: since });
  });

  it('let a user change the own password: the token in the answer works, every older one is invalid', async () => {
    await h.create('self');
    const token = await h.login('self');
    const put = (form: Record<string, string>) => h.ask('PUT', '/users/me/password', { token, form });
    const wrong = await put({ current_password: 'wrong-password', new_password: 'secret-789' });
    expect([wrong.status, wrong.json.code]).toEqual([400, 'wrong_password']);
    expect((await put({ current_password: PASSWORD, new_password: 'short' })).status).toBe(422);
    const changed = await put({ current_password: PASSWORD, new_password: 'secret-789' });
    expect([(await h.me(token)).status, (await h.me(changed.json.access_token)).status]).toEqual([401, 200]);
    expect((await h.tryLogin('self')).status).toBe(401);
  });

  it('are known as ended to other services while auth is away, because the feed is also a file in the data folder', async () => {
    const user = await h.create('filed');
    const fileOf = () => JSON.parse(fs.readFileSync(path.join(h.dir.path, 'revocations.json'), 'utf8'));
    const { last_seq } = await h.revocations();
    await h.change(user.id, { is_active: 'false' });
    expect(fileOf()).toEqual(await h.revocations());
    expect(fileOf().items.at(-1)).toMatchObject({ user_id: String(user.id) });
    await h.ask('DELETE', `/users/${user.id}`, { token: h.admin });
    expect(fileOf().last_seq).toBe(last_seq + 2);
    expect(fs.statSync(path.join(h.dir.path, 'revocations.json')).mode & 0o137).toBe(0);
  });

  it('make services that hold a position in another database’s feed start again', async () => {
    const { last_seq } = await h.revocations();
    expect(last_seq).toBeGreaterThan(0);
    expect(await h.revocations(last_seq + 1000)).toMatchObject({ items: [], last_seq: 0 });
  });

  it('of ten programs that log in at once under one name all start', async () => {
    await h.create('shared');
    const replies = await Promise.all(Array.from({ length: 30 }, () => h.tryLogin('shared')));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
  });
});
