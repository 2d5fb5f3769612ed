import { migrate, openDatabase, silentLogger } from '@cl-server/service-kit';
import { backends } from '@cl-server/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTransactions } from '../src/database/transaction.js';
import { fold, foldQuery } from '../src/entities/listing/fold.js';
import { SearchTexts } from '../src/entities/listing/search-texts.js';
import { type StoreTables, storeMigrations } from '../src/index.js';
import { startStore, type TestStore } from './support/store.js';

describe('texts that are equal in search', () => {
  it.each([
    ['ÖÄÜ Straße', 'oau STRASSE'],
    ['Café', 'Cafe\u0301'],
    ['한국 여행'.normalize('NFD'), '한국 여행'],
    ['STRAẞE', 'straße'],
    ['ΟΔΥΣΣΕΥΣ', 'οδυσσευς'],
    ['Ὀδυσσεύς', 'οδυσσευσ'],
    ['İSTANBUL Isparta', 'istanbul ısparta'],
    ['ＡＢＣ１２３ ｶﾞ', 'abc123 ガ'],
    ['ЁЛКА', 'елка'],
    ['Łódź Smørrebrød Œuvre', 'lodz smorrebrod oeuvre'],
    ['می\u200Cخواهم', 'میخواهم'],
    ['مُحَمَّد', 'محمد'],
    ['Opa\u2019s  “Haus”', 'Opa\'s "Haus"'],
    ['ﬁne\u00A0day ', ' fine day'],
  ])('%s and %s', (one, other) => {
    expect(fold(one)).toBe(fold(other));
  });

  it('every letter of an alphabet with two cases in either, and folded twice', () => {
    const different: string[] = [];
    for (const [first, last] of [
      [0x41, 0x2fff],
      [0xa640, 0xabbf],
      [0xfb00, 0xff5a],
      [0x10400, 0x1e943],
    ] as const)
      for (let code = first; code <= last; code++) {
        const letter = String.fromCodePoint(code);
        // The iota below a vowel is dropped as an accent; in upper case it is a letter.
        if (!/\p{L}/u.test(letter) || letter.normalize('NFD').includes('\u0345')) continue;
        for (const form of [fold, foldQuery]) {
          const forms = [letter, letter.toUpperCase(), letter.toLowerCase(), letter.normalize('NFD'), form(letter)];
          if (new Set(forms.map(form)).size > 1) different.push(letter);
        }
      }
    expect(different).toEqual([]);
  });

  it.each([
    ['か', 'が'],
    ['कि', 'की'],
    ['하', '한'],
    ['a', 'b'],
  ])('but not %s and %s', (one, other) => {
    expect(fold(one)).not.toBe(fold(other));
  });
});

describe.each(backends())('search in labels and names on $name', (backend) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await startStore(backend);
    for (const label of ['Ägypten', 'Café', 'Cafe\u0301 b', 'ЁЛКА', 'ΟΔΟΣ', 'İzmir', '100 % "gut" a_b'])
      await store.collection(label);
  });
  afterAll(() => store.stop());
  const found = async (text: string): Promise<string[]> =>
    (await store.list(`search_query=${encodeURIComponent(text)}`)).items.map(
      (item) => item.label ?? item.file_name ?? '',
    );

  it.each([
    ['ägy', ['Ägypten']],
    ['ÄG', ['Ägypten']],
    ['ä', ['Ägypten']],
    ['cafe', ['Café', 'Café b']],
    ['ёл', ['ЁЛКА']],
    ['елка', ['ЁЛКА']],
    ['café', ['Café', 'Café b']],
    ['cafe\u0301', ['Café', 'Café b']],
    ['οδος', ['ΟΔΟΣ']],
    ['IZ', ['İzmir']],
    [' ägypten  ', ['Ägypten']],
    ['% "g', ['100 % "gut" a_b']],
    ['a_b', ['100 % "gut" a_b']],
    ['a%b', []],
  ])('%j finds %j', async (text, labels) => {
    expect((await found(text)).toSorted()).toEqual(labels.toSorted());
  });

  it('finds a file by its file name and its label, after each change, and not after its removal', async () => {
    const name = 'Été "Oma" \u{1F468}\u200D\u{1F469}.bin';
    const { json: entity } = await store.upload(Buffer.from('one'), name.normalize('NFD'), { label: 'Ünder' });
    expect(entity.file_name).toBe(name);
    expect([await found('ete "oma"'), await found('under')]).toEqual([['Ünder'], ['Ünder']]);
    // No text matches across the label and the name.
    expect(await found('under ete')).toEqual([]);
    await store.patch(entity.id, { label: 'Över' });
    expect([await found('under'), await found('öve'), await found('öv')]).toEqual([[], ['Över'], ['Över']]);
    await store.patch(entity.id, { is_deleted: 'true' });
    await store.remove(entity.id);
    expect([await found('över'), await found('öv')]).toEqual([[], []]);
  });

  it('normalises labels', async () => {
    const { json } = await store.call('POST', '/entities', { form: { is_collection: 'true', label: 'Zoe\u0308' } });
    expect(json.label).toBe('Zoë');
  });
});

describe.each(backends())('search texts of entities of an older release on $name', (backend) => {
  it('are filled in once, from the point where an earlier process ended', async () => {
    const place = await backend.create();
    const database = openDatabase<StoreTables>(place.url, { schema: 'store', synchronous: 'normal' });
    await migrate(database, {
      ...storeMigrations,
      migrations: storeMigrations.migrations.filter(({ name }) => !name.endsWith('_search')),
    });
    const db = database.kysely;
    const numbers =
      database.dialect === 'sqlite'
        ? sql`(with recursive n (i) as (select 1 union all select i + 1 from n where i < 1200) select i from n) n`
        : sql`generate_series(1, 1200) as n (i)`;
    await sql`insert into entities (is_collection, label, is_deleted, added_date, updated_date, version)
      select 1, 'Älter ' || i, 0, i, i, 1 from ${numbers}`.execute(db);
    await migrate(database, storeMigrations);
    const write = writeTransactions(database, Date.now);
    const texts = (): SearchTexts => new SearchTexts({ db, write, logger: silentLogger() });
    const count = async (): Promise<number> =>
      Number((await db.selectFrom('entity_search').select(sql<number>`count(*)`.as('n')).executeTakeFirstOrThrow()).n);
    const interrupted = texts();
    interrupted.start();
    await interrupted.close();
    expect(await count()).toBeLessThan(1_200);
    await texts().fill();
    expect(await count()).toBe(1_200);
    expect(await db.selectFrom('entity_search').selectAll().where('id', '=', 7).execute()).toEqual([
      { id: 7, text: 'alter 7\n\nälter 7\n' },
    ]);
    await db.deleteFrom('entity_search').where('id', '=', 7).execute();
    await texts().fill();
    expect(await count()).toBe(1_199);
    await database.close();
    await place.drop();
  });
});
