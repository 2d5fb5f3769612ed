import { createLogger, openDatabase, silentLogger } from '@cl-server/service-kit';
import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AuditLog } from '../src/audit/audit-log.js';
import { Retention } from '../src/database/retention.js';
import type { AuthTables } from '../src/database/tables.js';
import { boundedName } from '../src/login/failed-logins.js';
import { Harness, PASSWORD } from './harness.js';

const DAY_MS = 86_400_000;

describe.each(backends())('guarded logins on $name', (backend) => {
  let h: Harness;
  /** This clock stands still, so that no wait ends by itself. */
  let now = Date.now();
  const lines: { msg: string; address: string; username: string }[] = [];
  beforeAll(async () => {
    const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
    const logger = createLogger({ name: 'auth', level: 'warning', destination });
    h = await Harness.start(backend, { now: () => now, logger });
  });
  // Each test starts with unused limits.
  beforeEach(() => {
    now += 3_700_000;
    return h?.login('admin').then((token) => {
      h.admin = token;
    });
  });
  afterAll(() => h.stop());

  const wrong = (username: string, from: string) => h.tryLogin(username, 'wrong-password', from);

  it('refuse 180 guesses at one account from twenty addresses but admit its owner, also after a restart', async () => {
    await h.create('ann');
    expect((await h.tryLogin('ann', PASSWORD, '10.0.0.1')).status).toBe(200);
    const statuses: number[] = [];
    for (let i = 0; i < 180; i++) statuses.push((await wrong('ann', `10.0.1.${i % 20}`)).status);
    expect([statuses.filter((s) => s === 401).length, statuses.filter((s) => s === 429).length]).toEqual([10, 170]);
    expect((await h.tryLogin('ann', PASSWORD, '10.0.1.1')).status).toBe(429);
    expect((await h.tryLogin('ann', PASSWORD, '10.0.0.1')).status).toBe(200);
    await h.service.close();
    await h.open();
    for (let i = 0; i < 10; i++) await wrong('ann', '10.0.1.1');
    expect((await h.tryLogin('ann', PASSWORD, '10.0.1.1')).status).toBe(429);
    expect((await h.tryLogin('ann', PASSWORD, '10.0.0.1')).status).toBe(200);
  });

  it('admit the owner after wrong passwords from the shared address, or with a valid token from anywhere', async () => {
    await h.create('bob');
    const token = (await h.tryLogin('bob', PASSWORD, '10.2.0.1')).json.access_token;
    for (let i = 0; i < 30; i++) expect((await wrong('bob', '10.2.0.1')).status).toBe(401);
    expect((await h.tryLogin('bob', PASSWORD, '10.2.0.1')).status).toBe(200);
    for (let i = 0; i < 11; i++) await wrong('bob', '10.3.0.1');
    const from = { form: { username: 'bob', password: PASSWORD }, from: '10.3.0.1' };
    expect((await h.ask('POST', '/auth/token', from)).status).toBe(429);
    // Another user's token does not make this user known, and an invalid token does no harm.
    expect((await h.ask('POST', '/auth/token', { ...from, token: h.admin })).status).toBe(429);
    expect((await h.ask('POST', '/auth/token', { ...from, token })).status).toBe(200);
    expect((await h.ask('POST', '/auth/token', { ...from, from: '10.2.0.1', token: 'rubbish' })).status).toBe(200);
  });

  it('forget a known address after thirty days, and when the user is removed', async () => {
    const user = await h.create('carl');
    await h.tryLogin('carl', PASSWORD, '10.4.0.1');
    for (let i = 0; i < 11; i++) await wrong('carl', '10.5.0.1');
    expect((await h.tryLogin('carl', PASSWORD, '10.4.0.1')).status).toBe(200);
    now += 31 * DAY_MS;
    h.admin = await h.login('admin');
    for (let i = 0; i < 10; i++) await wrong('carl', '10.5.0.1');
    expect((await h.tryLogin('carl', PASSWORD, '10.4.0.1')).status).toBe(429);
    await h.ask('DELETE', `/users/${user.id}`, { token: h.admin });
    const database = openDatabase<AuthTables>(h.databaseUrl, { schema: 'auth' });
    const rows = database.kysely.selectFrom('known_networks').selectAll().where('user_id', '=', user.id);
    expect(await rows.execute()).toEqual([]);
    await database.close();
  });

  it('are recorded with the address: one log line per failure, and audit rows that a flood does not multiply', async () => {
    lines.length = 0;
    await h.create('dora');
    for (let i = 0; i < 5; i++) await wrong('dora', '10.6.0.1');
    await wrong('no"body\n\u001b[31m', '10.6.0.2');
    expect(lines.filter(({ msg }) => msg === 'login failed')).toHaveLength(6);
    expect(lines.at(-1)).toMatchObject({ address: '10.6.0.2', username: 'no"body\\u{a}\\u{1b}[31m' });
    const failed = async () => (await h.ask('GET', '/audit?action=login.failed', { token: h.admin })).json;
    const { items, total } = await failed();
    expect(items[0]).toMatchObject({
      address: '10.6.0.2',
      target: null,
      details: { username: 'no"body\\u{a}\\u{1b}[31m' },
    });
    expect(items[1]).toMatchObject({ address: '10.6.0.1', target: 'dora', actor: null });
    // A flood of names comes from many addresses.
    for (let i = 0; i < 250; i++) await wrong(`nobody ${i}`, `10.7.${i}.1`);
    expect((await failed()).total - total).toBeLessThanOrEqual(100);
    await h.service.close();
    await h.open();
    const [summary] = (await failed()).items;
    expect(summary.details.further_failures).toBeGreaterThan(150);
  });

  it('refuse the most common passwords whenever a password is set through the API', async () => {
    const user = await h.create('emil');
    const form = (password: string) => ({ username: 'fred', password });
    for (const password of ['password', 'Password', '12345678', 'iloveyou', 'qwertyuiop', 'trustno1']) {
      const made = await h.ask('POST', '/users/', { token: h.admin, form: form(password) });
      expect([password, made.status, made.json.detail?.[0]?.type]).toEqual([password, 422, 'password_common']);
    }
    expect((await h.change(user.id, { password: 'password' })).status).toBe(422);
    const token = await h.login('emil');
    const change = { current_password: PASSWORD, new_password: 'sunshine' };
    const changed = await h.ask('PUT', '/users/me/password', { token, form: change });
    expect([changed.status, changed.json.detail[0].loc]).toEqual([422, ['body', 'new_password']]);
    const long = await h.ask('POST', '/users/', { token: h.admin, form: form('ä'.repeat(37)) });
    expect([long.status, long.json.detail[0].msg]).toEqual([422, expect.stringContaining('72 bytes')]);
  });

  it('replace a hash of lower cost without ending sessions', async () => {
    await h.create('gina');
    const token = await h.login('gina');
    const database = openDatabase<AuthTables>(h.databaseUrl, { schema: 'auth' });
    const hashOf = async () =>
      (await database.kysely.selectFrom('users').select('password_hash').where('username', '=', 'gina').execute())[0]
        ?.password_hash;
    expect(await hashOf()).toMatch(/^\$2b\$04\$/);
    const stronger = await Harness.onSameData(h, { passwordCost: 5 });
    expect((await stronger.tryLogin('gina', 'wrong-password')).status).toBe(401);
    expect(await hashOf()).toMatch(/^\$2b\$04\$/);
    expect((await stronger.tryLogin('gina')).status).toBe(200);
    expect(await hashOf()).toMatch(/^\$2b\$05\$/);
    expect((await stronger.tryLogin('gina')).status).toBe(200);
    expect((await stronger.me(token)).status).toBe(200);
    await stronger.service.close();
    await database.close();
  });

  it('keep audit entries and revocations for their configured time, and no longer', async () => {
    const database = openDatabase<AuthTables>(h.databaseUrl, { schema: 'auth' });
    const count = async (table: 'audit' | 'revocations'): Promise<number> =>
      Number(
        (
          await database.kysely
            .selectFrom(table)
            .select((eb) => eb.fn.countAll().as('n'))
            .execute()
        )[0]?.n,
      );
    const written = (daysAgo: number) =>
      new AuditLog(database, () => Date.now() - daysAgo * DAY_MS).append({
        action: 'user.updated',
        actor: { id: null, name: null, address: `${daysAgo} days ago` },
      });
    for (const days of [29, 39, 41]) await written(days);
    const user = await h.create('hans');
    await h.change(user.id, { is_active: 'false' });
    const [entries, revocations] = [await count('audit'), await count('revocations')];
    const sweep = (auditDays: number, later = 0) =>
      new Retention({
        database,
        auditDays,
        sessionIdle: 1,
        sessionMaxAge: 1,
        logger: silentLogger(),
        now: () => Date.now() + later,
      }).sweep();
    await sweep(0);
    expect([await count('audit'), await count('revocations')]).toEqual([entries, revocations]);
    await sweep(40);
    expect([await count('audit'), await count('revocations')]).toEqual([entries - 1, revocations]);
    // Even with a clock set forward, young entries cannot be removed.
    await expect(sweep(40, 30 * DAY_MS)).rejects.toThrow('append-only');
    await sweep(0, now - Date.now() + 365 * DAY_MS);
    expect(await count('revocations')).toBe(revocations);
    await sweep(0, now - Date.now() + 368 * DAY_MS);
    expect(await count('revocations')).toBe(0);
    // Services that hold a position in the feed continue from it.
    expect(await h.revocations(10_000)).toMatchObject({ items: [], last_seq: 0 });
    await database.close();
  });
});

describe('a user name in a log line', () => {
  it('is short and contains no control characters', () => {
    expect(boundedName('a\r\n\u202eb\u2028')).toBe('a\\u{d}\\u{a}\\u{202e}b\\u{2028}');
    expect(boundedName('x'.repeat(1_000))).toHaveLength(150);
  });
});
