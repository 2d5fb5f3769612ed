import type { EntityQuery } from '@cl-server/contract';
import { entityQuery } from '@cl-server/contract';
import { type JobTables, jobMigrations } from '@cl-server/jobs';
import { type Database, migrate, openDatabase } from '@cl-server/service-kit';
import { backends, type TestDatabase } from '@cl-server/testing';
import { type RawBuilder, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReads, type Reads } from '../src/database/reads.js';
import { EntityLister } from '../src/entities/listing/lister.js';
import { type StoreTables, storeMigrations } from '../src/index.js';

const ROWS = 30_000;
const query = (fields: Record<string, string> = {}): EntityQuery => entityQuery.parse(fields);

/** Inserts rows without the service, to be quick: 1 and 2 are collections, every 10th is deleted, every 3rd is in 1. */
async function seed(database: Database<StoreTables>): Promise<void> {
  const db = database.kysely;
  const numbers =
    database.dialect === 'sqlite'
      ? sql`(with recursive n (i) as (select 1 union all select i + 1 from n where i < ${sql.lit(ROWS)}) select i from n) n`
      : sql`generate_series(1, ${sql.lit(ROWS)}) as n (i)`;
  const collection = sql`case when i <= 2 then 1 else 0 end`;
  const md5 = database.dialect === 'sqlite' ? sql`printf('%032d', i)` : sql`lpad(i::text, 32, '0')`;
  await sql`insert into entities (is_collection, parent_id, label, is_deleted, added_date, updated_date, version,
      mime_type, type, width, height, file_size, md5)
    select ${collection}, case when i > 2 and i % 3 = 0 then 1 end,
      'Photo ' || i || case when i % 1000 = 0 then ' SUNSET' else '' end, case when i % 10 = 0 then 1 else 0 end,
      1000000 + i / 2, 1000000 + i, 1,
      case when i <= 2 then null when i % 500 = 0 then 'video/mp4' else 'image/jpeg' end,
      case when i <= 2 then null when i % 500 = 0 then 'video' else 'image' end,
      i % 7, i % 11, i, ${md5} from ${numbers}`.execute(db);
  await sql`update entities set children_total = 9999, children_live = 8999 where id = 1`.execute(db);
  await sql`update store_counters set value = ${ROWS} where name = 'entities'`.execute(db);
  await sql`insert into entity_versions (entity_id, version, label, parent_id, is_deleted, transaction_id, changed_at,
      operation, changed_fields) select id, 1, label, parent_id, is_deleted, id, added_date, 'create', '' from entities`.execute(
    db,
  );
  await sql`insert into entity_search (id, text) select id, lower(label) || ${'\n'} from entities`.execute(db);
  await sql`analyze`.execute(db);
}

describe.each(backends())('lists on $name', (backend) => {
  let place: TestDatabase;
  let database: Database<StoreTables>;
  let jobs: Database<JobTables>;
  let reads: Reads;
  let lister: EntityLister;
  beforeAll(async () => {
    place = await backend.create();
    database = openDatabase<StoreTables>(place.url, { schema: 'store', synchronous: 'normal' });
    jobs = openDatabase<JobTables>(place.url, { schema: 'jobs', share: database });
    await migrate(jobs, jobMigrations);
    await migrate(database, storeMigrations);
    await seed(database);
    reads = openReads(database);
    lister = new EntityLister(reads, database.adapter);
  });
  afterAll(async () => {
    await reads.close();
    await jobs.close();
    await database.close();
    await place.drop();
  });

  const ids = async (fields: Record<string, string>): Promise<number[]> =>
    (await lister.list(query(fields))).items.map((item) => item.id);

  it('returns pages, newest first, with correct totals and flags', async () => {
    const first = await lister.list(query());
    expect(first.items.map((item) => item.id)).toEqual(Array.from({ length: 20 }, (_, i) => ROWS - i));
    expect(first.pagination).toMatchObject({
      page: 1,
      page_size: 20,
      total_items: ROWS,
      total_pages: ROWS / 20,
      has_next: true,
      has_prev: false,
      total_is_estimate: false,
    });
    const last = await lister.list(query({ page: String(ROWS / 20) }));
    expect([last.items.at(-1)?.id, last.pagination.has_next, last.pagination.next_cursor]).toEqual([1, false, null]);
    const beyond = await lister.list(query({ page: '999999999' }));
    expect([beyond.items, beyond.pagination.total_items, beyond.pagination.has_prev]).toEqual([[], ROWS, true]);
  });

  it('lists the same entities by cursor as by pages', async () => {
    const fields = { mime_type: 'video/mp4', page_size: '7' };
    const seen: number[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { items, pagination } = await lister.list(query({ ...fields, cursor }));
      seen.push(...items.map((item) => item.id));
      cursor = pagination.next_cursor;
    }
    expect(seen).toEqual(Array.from({ length: ROWS / 500 }, (_, i) => ROWS - i * 500));
    await expect(lister.list(query({ cursor: 'nonsense' }))).rejects.toMatchObject({ status: 400 });
  });

  it.each<[Record<string, string>, (id: number) => boolean]>([
    [{ mime_type: 'video/mp4' }, (id) => id % 500 === 0],
    [{ type: 'video', exclude_deleted: 'true' }, (id) => id % 500 === 0 && id % 10 !== 0],
    [{ parent_id: '1', type: 'video' }, (id) => id % 1500 === 0],
    [{ is_collection: 'true' }, (id) => id <= 2],
    [{ search_query: 'sunset' }, (id) => id % 1000 === 0],
    [{ search_query: 'SUNSET', width: '3' }, (id) => id % 1000 === 0 && id % 7 === 3],
    [{ search_query: 'o 299' }, (id) => String(id).startsWith('299')],
    [{ search_query: '77' }, (id) => String(id).includes('77')],
    [{ only_deleted: 'true', exclude_deleted: 'true' }, (id) => id % 10 === 0],
    [{ type: 'video', only_deleted: 'true' }, (id) => id % 500 === 0 && id % 10 === 0],
    [{ search_query: 'w', exclude_deleted: 'true' }, () => false],
    [{ search_query: 'NS', type: 'image' }, (id) => id % 1000 === 0 && id % 500 !== 0],
    [{ search_query: '%' }, () => false],
    [{ search_query: '_' }, () => false],
    [{ search_query: '"' }, () => false],
    [{ width: '3', height: '5' }, (id) => id % 7 === 3 && id % 11 === 5],
    [{ file_size_min: '29000', file_size_max: '29010' }, (id) => id >= 29_000 && id <= 29_010],
    [
      { file_size_min: '100', file_size_max: '29900', width: '1', height: '1' },
      (id) => id >= 100 && id <= 29_900 && id % 77 === 1,
    ],
    [{ date_from: '1000010', date_to: '1000012' }, (id) => id >= 20 && id <= 25],
    [{ date_from: '1014000', type: 'video' }, (id) => id >= 28_000 && id % 500 === 0],
    [{ date_from: '99999999999999' }, () => false],
    [{ md5: '29'.padStart(32, '0') }, (id) => id === 29],
    [{ parent_id: '0', is_collection: 'true' }, (id) => id <= 2],
    [{ parent_id: '12345' }, () => false],
    [{ width: '9007199254740991' }, () => false],
  ])('filters by %j', async (fields, matches) => {
    const expected = Array.from({ length: ROWS }, (_, i) => ROWS - i).filter((id) =>
      id > 2 || fields.is_collection ? matches(id) : false,
    );
    const { items, pagination } = await lister.list(query({ ...fields, page_size: '100' }));
    expect(items.map((item) => item.id)).toEqual(expected.slice(0, 100));
    expect([pagination.total_items, pagination.total_is_estimate]).toEqual([expected.length, false]);
    expect(await ids({ ...fields, page_size: '5', page: '2' })).toEqual(expected.slice(5, 10));
  });

  it('takes totals of a collection from its counters, and estimates others beyond 10,000', async () => {
    expect((await lister.list(query({ parent_id: '1', exclude_deleted: 'true' }))).pagination.total_items).toBe(8999);
    const { pagination } = await lister.list(query({ type: 'image' }));
    expect(pagination.total_is_estimate).toBe(true);
    expect(Math.abs(pagination.total_items - ROWS) / ROWS).toBeLessThan(0.05);
    const sizes = await lister.list(query({ file_size_min: '15001' }));
    expect(sizes.items[0]?.id).toBe(ROWS);
    expect(sizes.pagination.total_items).toBeGreaterThan(10_000);
  });

  it('shows a version of each entity and leaves out those without it', async () => {
    const { items, pagination } = await lister.list(query({ version: '1', page_size: '3' }));
    expect(items.map((item) => [item.label, item.version])).toEqual([
      [`Photo ${ROWS} SUNSET`, 1],
      [`Photo ${ROWS - 1}`, 1],
      [`Photo ${ROWS - 2}`, 1],
    ]);
    expect(pagination.total_items).toBe(ROWS);
    expect(await ids({ version: '2' })).toEqual([]);
    expect(await ids({ version: '-1' })).toEqual([]);
  });

  /** A lister, and the queries that it runs. */
  const observe = (): { asked: RawBuilder<unknown>[]; observed: EntityLister } => {
    const asked: RawBuilder<unknown>[] = [];
    const listening: Reads = {
      all: (builder) => {
        asked.push(builder);
        return reads.all(builder);
      },
      close: async () => undefined,
    };
    return { asked, observed: new EntityLister(listening, database.adapter) };
  };

  it('starts at a cursor without reading the rows before it', async () => {
    const { asked, observed } = observe();
    const { pagination } = await lister.list(query());
    await observed.list(query({ cursor: pagination.next_cursor ?? '' }));
    const plans = [];
    for (const builder of asked) {
      const { sql: text, parameters } = builder.compile(database.kysely);
      if (text.includes('order by id desc')) plans.push(...(await planOf(database, text, parameters)));
    }
    expect(plans.join('\n')).toMatch(/PRIMARY KEY \(rowid<\?\)|entities_pkey/);
    expect(plans.join('\n')).not.toContain('entities_added');
  });

  it
    .runIf(backend.name === 'sqlite')
    .each<Record<string, string>>([{}, { exclude_deleted: 'true' }, { type: 'image', height: '3' }])(
    'reads each label once for a text that is not in the index, with %j',
    async (others) => {
      const { asked, observed } = observe();
      const { pagination } = await observed.list(query({ ...others, search_query: 'zq' }));
      expect([pagination.total_items, pagination.total_is_estimate]).toEqual([0, false]);
      const texts = asked.map((builder) => builder.compile(database.kysely).sql);
      expect(texts.filter((text) => text.includes('instr('))).toHaveLength(1);
    },
  );

  it('runs no query that reads a whole table without an index', async () => {
    const { asked, observed } = observe();
    const filters = [
      {},
      { page: '1400' },
      { mime_type: 'video/mp4' },
      { type: 'video', exclude_deleted: 'true' },
      { width: '3' },
      { height: '3' },
      { md5: '0' },
      { sha256: '0' },
      { is_collection: 'true' },
      { parent_id: '1' },
      { parent_id: '0' },
      { search_query: 'sunset' },
      { date_from: '1000010', date_to: '1000012' },
      { file_size_min: '29990' },
      { version: '1' },
    ];
    for (const fields of filters as Record<string, string>[]) await observed.list(query(fields));
    for (const builder of asked) {
      const { sql: text, parameters } = builder.compile(database.kysely);
      const plan = await planOf(database, text, parameters);
      expect({ text, plan: plan.filter((step) => isFullScan(step)) }).toEqual({ text, plan: [] });
    }
  });
});

/** Whether a plan reads a whole table: neither by an index, nor in the order of one up to a limit. */
function isFullScan(step: string): boolean {
  if (/SCAN (e|entities|f|entity_versions|files)\b/.test(step)) return !/USING|VIRTUAL TABLE/.test(step);
  return /Seq Scan on (entities|entity_versions|files)/.test(step);
}

async function planOf(
  database: Database<StoreTables>,
  text: string,
  parameters: readonly unknown[],
): Promise<string[]> {
  if (database.dialect === 'sqlite')
    return (database.sqlite.prepare(`explain query plan ${text}`).all(...parameters) as { detail: string }[]).map(
      (row) => row.detail,
    );
  const client = await database.pool.connect();
  try {
    // In a table of this size a full read costs less than an index; the test asks only whether there is an index.
    await client.query('set enable_seqscan = off');
    const { rows } = await client.query(`explain ${text}`, [...parameters]);
    return rows.map((row: Record<string, string>) => row['QUERY PLAN'] ?? '');
  } finally {
    await client.query('reset enable_seqscan');
    client.release();
  }
}
