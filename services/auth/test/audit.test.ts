import { openDatabase } from '@cl-server/service-kit';
import { backends } from '@cl-server/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Harness } from './harness.js';

describe.each(backends())('the audit table on $name', (backend) => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start(backend);
  });
  afterAll(() => h.stop());

  const page = async (query = '') => (await h.ask('GET', `/audit${query}`, { token: h.admin })).json;

  it('shows who changed which user, when and from where, newest first and without secrets', async () => {
    const user = await h.create('watched', { permissions: 'a' });
    await h.change(user.id, { is_admin: 'true', permissions: 'a,b', password: 'secret-456' });
    await h.change(user.id, { is_admin: 'true' });
    await h.ask('DELETE', `/users/${user.id}`, { token: h.admin, from: '10.1.2.3' });
    const { items, total } = await page(`?user_id=${user.id}`);
    expect(total).toBe(4);
    expect(items.map((item: { action: string }) => item.action)).toEqual([
      'user.deleted',
      'user.updated',
      'password.changed',
      'user.created',
    ]);
    expect(items[0]).toMatchObject({ actor: 'admin', target: 'watched', target_id: user.id, address: '10.1.2.3' });
    expect(Math.abs(items[0].timestamp - Date.now())).toBeLessThan(60_000);
    expect(items[1].details).toEqual({ is_admin: [false, true], permissions: [['a'], ['a', 'b']] });
    expect(JSON.stringify(items)).not.toMatch(/secret|\$2/);
  });

  it('starts with the first admin, which the service created', async () => {
    expect((await page('?action=admin.bootstrapped')).items).toMatchObject([
      { actor: null, actor_id: null, address: null, target: 'admin' },
    ]);
  });

  it('can be read to its end in pages', async () => {
    for (const name of ['x1', 'x2', 'x3']) await h.create(name);
    const { total } = await page();
    const seen: number[] = [];
    for (let query: string | undefined = '?limit=2'; query !== undefined; ) {
      const { items, next_cursor } = await page(query);
      seen.push(...items.map((item: { id: number }) => item.id));
      query = next_cursor === null ? undefined : `?limit=2&cursor=${next_cursor}`;
    }
    expect([seen.length, new Set(seen).size]).toEqual([total, total]);
    expect(seen).toEqual([...seen].sort((a, b) => b - a));
    for (const query of ['?cursor=x', '?limit=0', '?limit=501', '?action=sneezed'])
      expect([query, (await h.ask('GET', `/audit${query}`, { token: h.admin })).status]).toEqual([query, 422]);
  });

  it('records the lock of an account if it is long, not every failed guess', async () => {
    const user = await h.create('locked');
    for (let i = 0; i < 17; i++) {
      h.offset += 3_600_000 / 60;
      await h.tryLogin('locked', 'wrong-password');
    }
    h.offset = 0;
    const { items } = await page(`?user_id=${user.id}&action=login.locked`);
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({ actor: null, address: '127.0.0.1', details: { seconds: 64 } });
  });

  it('cannot be changed or shortened, not even by SQL', async () => {
    const database = openDatabase<unknown>(h.databaseUrl, { schema: 'auth' });
    try {
      for (const statement of ["update audit set actor = 'x'", 'delete from audit'])
        await expect(sql.raw(statement).execute(database.kysely)).rejects.toThrow('append-only');
    } finally {
      await database.close();
    }
    expect((await page()).total).toBeGreaterThan(0);
  });

  it('is readable only for admins', async () => {
    await h.create('curious');
    expect((await h.ask('GET', '/audit', { token: await h.login('curious') })).status).toBe(403);
  });
});
