/** A PostgreSQL that goes away in every way that it can, behind a path that the test cuts and freezes. */
import {
  eventually,
  hasPostgres,
  postgresDatabase,
  type TcpLink,
  type TestDatabase,
  tcpLink,
} from '@cl-server/testing';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isDatabaseAway } from '../src/database/away.js';
import { openDatabase, type PostgresDatabase } from '../src/database/index.js';

const QUERY_TIMEOUT_MS = 1_000;

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe.runIf(hasPostgres())('a PostgreSQL that goes away', () => {
  let server: TestDatabase;
  let link: TcpLink;
  let database: PostgresDatabase<unknown>;
  const ask = (text = 'select 1 as one') => sql.raw(text).execute(database.kysely);

  beforeEach(async () => {
    server = await postgresDatabase();
    const url = new URL(server.url);
    link = await tcpLink(Number(url.port));
    url.port = String(link.port);
    database = openDatabase(url.href, {
      schema: 'jobs',
      queryTimeoutMs: QUERY_TIMEOUT_MS,
    }) as PostgresDatabase<unknown>;
    await ask();
  });
  afterEach(async () => {
    await link.close();
    await database.close();
    await server.drop();
  });

  it('fails running and later statements as "away", ends no process, and is used again when it is back', async () => {
    const sleeping = failureOf(ask('select pg_sleep(5)'));
    const inTransaction = failureOf(
      database.kysely.transaction().execute(async (trx) => {
        await sql`select 1`.execute(trx);
        link.cut(); // between two statements, while the connection is in use and idle
        await new Promise((resolve) => setImmediate(resolve));
        await sql`select 2`.execute(trx);
      }),
    );
    expect(isDatabaseAway(await inTransaction)).toBe(true);
    expect(isDatabaseAway(await sleeping)).toBe(true);
    expect(isDatabaseAway(await failureOf(ask()))).toBe(true);
    link.restore();
    expect((await ask()).rows).toEqual([{ one: 1 }]);
  });

  it('that ends its connections by an administrator’s command is "away", and the next statement is served', async () => {
    const sleeping = failureOf(ask('select pg_sleep(5)'));
    const terminated = await eventually(
      async () => {
        const { rows } = await sql<{ ended: boolean }>`
          select pg_terminate_backend(pid) as ended from pg_stat_activity
          where datname = current_database() and query = 'select pg_sleep(5)' and state = 'active'`.execute(
          database.kysely,
        );
        return rows.length;
      },
      { what: 'the sleeping statement' },
    );
    expect(terminated).toBe(1);
    expect(await sleeping).toMatchObject({ code: '57P01' });
    expect(isDatabaseAway(await sleeping)).toBe(true);
    expect((await ask()).rows).toEqual([{ one: 1 }]);
  });

  it('that goes silent on an open connection is noticed within the limit, and the connection is not used again', async () => {
    link.freeze();
    const begun = performance.now();
    expect(isDatabaseAway(await failureOf(ask()))).toBe(true);
    expect(performance.now() - begun).toBeLessThan(QUERY_TIMEOUT_MS + 2_000);
    link.restore();
    expect((await ask()).rows).toEqual([{ one: 1 }]);
  });

  it('lets a migration’s handle take as long as it needs', async () => {
    const patient = database.patient();
    try {
      await sql`select pg_sleep(${(QUERY_TIMEOUT_MS * 2) / 1000})`.execute(patient.kysely);
    } finally {
      await patient.close();
    }
  });
});

describe('whether an error means that the database is away', () => {
  const error = (message: string, more: object = {}) => Object.assign(new Error(message), more);

  it.each([
    ['a refused connection', error('connect ECONNREFUSED', { code: 'ECONNREFUSED', syscall: 'connect' })],
    ['a shutdown by the administrator', error('terminating connection', { code: '57P01' })],
    ['too many connections', error('sorry', { code: '53300' })],
    ['a locked SQLite file', error('database is locked', { code: 'SQLITE_BUSY' })],
    ['one that is the cause of another', new Error('no list', { cause: error('x', { code: '08006' }) })],
  ])('%s does', (_what, thrown) => expect(isDatabaseAway(thrown)).toBe(true));

  it.each([
    ['a unique key that is taken', error('duplicate key', { code: '23505' })],
    ['a statement that is wrong', error('syntax error', { code: '42601' })],
    ['a file that is missing', error('no such file', { code: 'ENOENT', syscall: 'open' })],
    ['a client that is gone', error('aborted', { code: 'ECONNRESET' })],
    ['something thrown that is no error', 'away'],
  ])('%s does not', (_what, thrown) => expect(isDatabaseAway(thrown)).toBe(false));
});
