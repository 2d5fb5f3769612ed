import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Harness, PASSWORD } from './harness.js';

describe.each(backends())('users on $name', (backend) => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start(backend);
  });
  afterAll(() => h.stop());

  it('have exactly the keys that clients know, in their order, and a time without a zone', async () => {
    const user = await h.create('shape', { permissions: 'read:jobs' });
    expect(Object.keys(user)).toEqual(['username', 'is_admin', 'is_active', 'id', 'created_at', 'permissions']);
    expect(user).toMatchObject({ username: 'shape', is_admin: false, is_active: true, permissions: ['read:jobs'] });
    expect(user.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
    expect(Math.abs(Date.parse(`${user.created_at}Z`) - Date.now())).toBeLessThan(60_000);
  });

  it('are created by urlencoded and multipart forms, with and without a trailing slash', async () => {
    const form = new FormData();
    form.set('username', 'multi');
    form.set('password', PASSWORD);
    form.set('is_admin', 'YES');
    const body = new Response(form);
    const reply = await h.ask('POST', '/users', {
      token: h.admin,
      headers: { 'content-type': body.headers.get('content-type') ?? '' },
      payload: Buffer.from(await body.arrayBuffer()),
    });
    expect([reply.status, reply.json.username, reply.json.is_admin]).toEqual([201, 'multi', true]);
  });

  it('have unique names, even if two requests arrive at once', async () => {
    const form = { username: 'twin', password: PASSWORD };
    const replies = await Promise.all([1, 2, 3].map(() => h.ask('POST', '/users/', { token: h.admin, form })));
    expect(replies.map(({ status }) => status).sort()).toEqual([201, 400, 400]);
    const refused = replies.find(({ status }) => status === 400);
    expect(refused?.json.detail).toBe('Username already registered');
  });

  it.each([
    ['', []],
    ['read, write', ['read', 'write']],
    [' a, b ,,c,a', ['a', 'b', 'c']],
    ['*', ['*']],
    ['["a","b"]', ['a', 'b']],
    ['[]', []],
    ['[a, b:c]', ['a', 'b:c']],
  ])('accept permissions %j in the same way when created and when changed', async (permissions, expected) => {
    const user = await h.create(`p${Math.random()}`, { permissions });
    expect(user.permissions).toEqual(expected);
    await h.change(user.id, { permissions: 'something' });
    const changed = await h.change(user.id, { permissions });
    expect([changed.status, changed.json.permissions]).toEqual([200, expected]);
  });

  it.each(['123', '"x"', '{"a":1}', '[1,2]', 'null', 'true', '["a,b"]', 'a{b', `${'x'.repeat(101)}`, '[[a]]'])(
    'refuse permissions %s with 422',
    async (permissions) => {
      const created = await h.ask('POST', '/users/', {
        token: h.admin,
        form: { username: 'nonsense', password: PASSWORD, permissions },
      });
      expect([created.status, created.json.detail[0].loc]).toEqual([422, ['body', 'permissions']]);
      expect((await h.change(1, { permissions })).status).toBe(422);
    },
  );

  it.each([
    [{ username: 'a', password: 'sh0rt-1' }, 'string_too_short'],
    [{ username: 'a', password: 'ä'.repeat(37) }, 'password_unfit'],
    [{ username: 'a', password: 'with\0nul-12345' }, 'password_unfit'],
    [{ username: ' a', password: PASSWORD }, 'username_unfit'],
    [{ username: 'a\nb', password: PASSWORD }, 'username_unfit'],
    [{ username: '', password: PASSWORD }, 'missing'],
    [{ username: 'a', password: '' }, 'missing'],
    [{ username: 'a', password: PASSWORD, is_admin: 'maybe' }, 'bool_parsing'],
  ])('are refused as %j with 422 %s, and the answer never shows the password', async (form, type) => {
    const reply = await h.ask('POST', '/users/', { token: h.admin, form });
    expect([reply.status, reply.json.detail[0].type]).toEqual([422, type]);
    if (form.password.length > 3 && type !== 'username_unfit') expect(reply.text).not.toContain(form.password);
  });

  it('are listed as a bare array in a stable order, in pages of limited size, and found by name', async () => {
    for (const name of ['l1', 'l2', 'l3']) await h.create(name);
    const all = (await h.ask('GET', '/users/', { token: h.admin })).json as { id: number; username: string }[];
    expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id).sort((a, b) => a - b));
    const page = (await h.ask('GET', '/users?skip=1&limit=2', { token: h.admin })).json;
    expect(page).toEqual(all.slice(1, 3));
    expect((await h.ask('GET', '/users/?username=l2', { token: h.admin })).json).toMatchObject([{ username: 'l2' }]);
    expect((await h.ask('GET', '/users/?username=none', { token: h.admin })).json).toEqual([]);
    for (const query of ['skip=-1', 'limit=0', 'limit=1001', 'limit=x', `skip=${'9'.repeat(30)}`])
      expect([query, (await h.ask('GET', `/users/?${query}`, { token: h.admin })).status]).toEqual([query, 422]);
  });

  it('get 404 if they do not exist, and 422 for an invalid id of any size', async () => {
    for (const [id, status] of [
      ['99999999', 404],
      ['-1', 404],
      [String(Number.MAX_SAFE_INTEGER), 404],
      ['abc', 422],
      ['9'.repeat(30), 422],
    ] as const)
      for (const method of ['GET', 'PUT', 'DELETE'])
        expect([method, id, (await h.ask(method, `/users/${id}`, { token: h.admin })).status]).toEqual([
          method,
          id,
          status,
        ]);
  });

  it('stay unchanged if a change names no field; empty fields except permissions count as not named', async () => {
    const user = await h.create('still', { permissions: 'a' });
    const token = await h.login('still');
    const unnamed: Record<string, string>[] = [{}, { password: '', is_active: '', is_admin: '' }];
    for (const form of unnamed) expect((await h.change(user.id, form)).json).toEqual(user);
    expect((await h.me(token)).status).toBe(200);
    expect((await h.change(user.id, { permissions: '' })).json.permissions).toEqual([]);
  });

  it('never get the id of a deleted user', async () => {
    const first = await h.create('gone');
    expect((await h.ask('DELETE', `/users/${first.id}`, { token: h.admin })).status).toBe(204);
    expect((await h.create('gone')).id).toBeGreaterThan(first.id);
  });

  it('keep one active admin: the last can be neither deleted nor deactivated nor demoted', async () => {
    const admins = ((await h.ask('GET', '/users/', { token: h.admin })).json as { id: number; is_admin: boolean }[])
      .filter(({ is_admin }) => is_admin)
      .map(({ id }) => id);
    for (const id of admins.slice(1)) await h.ask('DELETE', `/users/${id}`, { token: h.admin });
    const last = admins[0] ?? 0;
    for (const reply of [
      await h.ask('DELETE', `/users/${last}`, { token: h.admin }),
      await h.change(last, { is_active: 'false' }),
      await h.change(last, { is_admin: 'false' }),
    ])
      expect([reply.status, reply.json.code]).toEqual([409, 'last_admin']);
    const second = await h.create('second-admin', { is_admin: 'true', is_active: 'false' });
    expect((await h.change(last, { is_admin: 'false' })).status).toBe(409);
    await h.change(second.id, { is_active: 'true' });
    const token = await h.login('second-admin');
    // If two requests run at once, the second is refused: it concerns the last admin, or its caller has just lost the right.
    const both = await Promise.all([
      h.change(last, { is_admin: 'false' }, token),
      h.change(second.id, { is_admin: 'false' }, h.admin),
    ]);
    const [granted, refused] = both.map(({ status }) => status).sort();
    expect([granted, refused]).toEqual([200, expect.toBeOneOf([401, 409])]);
    const stands = both[0]?.status === 200 ? 'second-admin' : 'admin';
    h.admin = await h.login(stands);
    const other = stands === 'admin' ? second.id : last;
    expect((await h.change(other, { is_admin: 'true' })).status).toBe(200);
  });

  it('refuse strangers before the request is read', async () => {
    const json = { headers: { 'content-type': 'application/json' }, payload: '{"username": 1' };
    for (const [method, url] of [
      ['POST', '/users/'],
      ['GET', '/users/?limit=x'],
      ['GET', '/users/abc'],
      ['PUT', '/users/abc'],
      ['PATCH', '/users/1'],
      ['DELETE', '/users/1'],
      ['GET', '/users/me'],
    ] as const) {
      const reply = await h.ask(method, url, method === 'GET' ? {} : json);
      expect([method, url, reply.status, reply.json.detail]).toEqual([method, url, 401, 'Not authenticated']);
      expect(reply.headers['www-authenticate']).toBe('Bearer');
    }
    await h.create('plain');
    const token = await h.login('plain');
    const reply = await h.ask('POST', '/users/', { token, ...json });
    expect([reply.status, reply.json.detail]).toEqual([403, "The user doesn't have enough privileges"]);
  });
});
