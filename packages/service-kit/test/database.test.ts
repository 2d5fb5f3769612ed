import { backends, type TestDatabase } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertMigrated, type MigrationSet, migrate, openDatabase } from '../src/database/index.js';

const set: MigrationSet = {
  table: 'migrations_jobs',
  command: 'compute-migrate',
  migrations: [
    {
      name: '0001_things',
      up: async (db) => {
        await db.schema
          .createTable('things')
          .addColumn('id', 'integer', (c) => c.primaryKey())
          .addColumn('at', 'bigint')
          .execute();
      },
    },
  ],
};

describe.each(backends())('migrations on $name', ({ name, create }) => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await create();
  });
  afterEach(() => database.drop());

  it('are applied once however many processes start, and a service without them names the command', async () => {
    const one = openDatabase<{ things: { id: number; at: number } }>(database.url, { schema: 'jobs' });
    const two = openDatabase<unknown>(database.url, {
      schema: 'jobs',
      share: name === 'sqlite' ? (one as never) : undefined,
    });
    try {
      await expect(assertMigrated(two, set)).rejects.toThrow('compute-migrate');
      const applied = await Promise.all([migrate(one, set), migrate(two, set)]);
      expect(applied.flat()).toEqual(['0001_things']);
      await assertMigrated(two, set);
      await one.kysely.insertInto('things').values({ id: 1, at: 1_700_000_000_000 }).execute();
      expect(await one.kysely.selectFrom('things').selectAll().execute()).toEqual([{ id: 1, at: 1_700_000_000_000 }]);
    } finally {
      await one.close();
      await two.close();
    }
  });
});
