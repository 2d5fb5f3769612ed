/** Large collections are removed permanently in slices, and changes of users in the meantime are kept. */
import { jobMigrations } from '@cl-server/jobs';
import { type Database, migrate, openDatabase } from '@cl-server/service-kit';
import { backends, type TestDatabase } from '@cl-server/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunWrite, writeTransactions } from '../src/database/transaction.js';
import { removeSlice } from '../src/entities/remove.js';
import { changeEntity, findRow, insertEntity } from '../src/entities/writer.js';
import { type StoreTables, storeMigrations } from '../src/index.js';

describe.each(backends())('permanent removal on $name', (backend) => {
  let place: TestDatabase;
  let database: Database<StoreTables>;
  let write: RunWrite;
  beforeAll(async () => {
    place = await backend.create();
    database = openDatabase<StoreTables>(place.url, { schema: 'store', synchronous: 'normal' });
    const jobs = openDatabase<Record<never, never>>(place.url, { schema: 'jobs', share: database });
    await migrate(jobs as never, jobMigrations);
    await migrate(database, storeMigrations);
    await jobs.close();
    let now = 1_000;
    write = writeTransactions(database, () => now++);
  });
  afterAll(async () => {
    await database.close();
    await place.drop();
  });

  const collection = (label: string, parent_id: number | null): Promise<number> =>
    write('ann', async (tx) => {
      const row = await insertEntity(tx, { is_collection: true, label, description: null, parent_id });
      return row.id;
    });
  /** Media with contents of their own, and one content that all versions of them share. */
  const media = (parent_id: number, count: number, user: string): Promise<void> =>
    write(user, async (tx) => {
      for (let i = 0; i < count; i++) {
        const name = `${parent_id}-${i}`;
        const facts = { md5: name, file_size: 10, mime_type: 'a/b', type: 'file', extension: 'b' };
        const row = await tx.db
          .insertInto('files')
          .values({ ...facts, sha256: name, path: `${name}/x`, added_at: 0, tags_status: 'complete', tags: null })
          .returningAll()
          .executeTakeFirstOrThrow();
        await tx.count('bytes', 10);
        await insertEntity(tx, {
          is_collection: false,
          label: name,
          description: null,
          parent_id,
          file: { row, name },
        });
      }
    });
  const trash = (id: number): Promise<void> =>
    write('ann', async (tx) => {
      const refuse = (detail: string) => new Error(detail);
      await changeEntity(tx, await findRow(tx, id), { is_deleted: 1 }, 'delete', refuse);
    });
  const counters = async (): Promise<Record<string, number>> => {
    const rows = await database.kysely.selectFrom('store_counters').selectAll().execute();
    return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  };
  const usage = async (): Promise<unknown> =>
    database.kysely.selectFrom('usage').selectAll().where('entities', '<>', 0).orderBy('user_id').execute();

  it('uses many short transactions, deepest first, and every count is correct after each', async () => {
    const stays = await collection('stays', null);
    await media(stays, 1, 'bob');
    const before = { counters: await counters(), usage: await usage() };
    const top = await collection('top', null);
    const inner = await collection('inner', top);
    for (let i = 0; i < 60; i++) await collection(`empty ${i}`, top);
    await media(top, 30, 'ann');
    await media(inner, 120, 'bob');
    await trash(top);
    const gone: number[] = [];
    let bytes = 0;
    for (let isLast = false; !isLast; ) {
      const slice = await write('ann', (tx) => removeSlice(tx, top));
      expect(slice.ids.length).toBeLessThanOrEqual(51);
      gone.push(...slice.ids);
      bytes += slice.bytes;
      isLast = slice.isLast;
      const { rows } = await sql<{ id: number; kept: number; real: number }>`
        select p.id, p.children_total as kept, (select count(*) from entities c where c.parent_id = p.id) as real
        from entities p where p.is_collection = 1`.execute(database.kysely);
      expect(rows.filter(({ kept, real }) => kept !== real)).toEqual([]);
      const { n } = await database.kysely
        .selectFrom('entities')
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .executeTakeFirstOrThrow();
      expect((await counters()).entities).toBe(n);
    }
    expect([gone.length, new Set(gone).size, gone.at(-1), bytes]).toEqual([212, 212, top, 1_500]);
    const { transaction_id: _, ...after } = await counters();
    const { transaction_id: __, ...first } = before.counters;
    expect(after).toEqual(first);
    expect(await usage()).toEqual(before.usage);
    expect(await database.kysely.selectFrom('pending_removals').select('path').execute()).toHaveLength(150);
  });

  it('stops if the collection was restored, and keeps entities that were moved out of it', async () => {
    const top = await collection('top', null);
    await media(top, 70, 'ann');
    await trash(top);
    const first = await write('ann', (tx) => removeSlice(tx, top));
    expect(first.isLast).toBe(false);
    const refuse = (detail: string) => new Error(detail);
    const [left] = await database.kysely.selectFrom('entities').select('id').where('parent_id', '=', top).execute();
    const saved = left?.id ?? 0;
    await write('ann', async (tx) => changeEntity(tx, await findRow(tx, saved), { parent_id: null }, 'update', refuse));
    await write('ann', async (tx) => changeEntity(tx, await findRow(tx, top), { is_deleted: 0 }, 'undelete', refuse));
    await expect(write('ann', (tx) => removeSlice(tx, top))).rejects.toMatchObject({ status: 400 });
    await trash(top);
    const last = await write('ann', (tx) => removeSlice(tx, top));
    expect([last.isLast, first.ids.length + last.ids.length]).toEqual([true, 70]);
    expect(await database.kysely.selectFrom('entities').select('id').where('id', '=', saved).execute()).toHaveLength(1);
  });
});
