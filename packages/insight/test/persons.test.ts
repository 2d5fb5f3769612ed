/** How faces become persons. The faces are at chosen angles: the similarity of two is the cosine of the angle between them. */
import { type Database, migrate, openDatabase } from '@cl-server/service-kit';
import { type StoreTables, storeMigrations, writeTransactions } from '@cl-server/store';
import { backends, type TestDatabase } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../src/persons/assign.js';
import { assignFaces, dropEmptyPersons } from '../src/persons/cluster-faces.js';
import { VectorIndex } from '../src/vectors/vector-index.js';
import { putVector, VectorStore } from '../src/vectors/vector-store.js';

const DIMENSION = 128;
const MODEL = 'm@1+1';

/** A vector at an angle. The angle is spread over all numbers, because codes compare signs. */
function at(degrees: number): Float32Array {
  const angle = (degrees * Math.PI) / 180;
  return Float32Array.from({ length: DIMENSION }, (_, n) => {
    const phase = (2 * Math.PI * n) / DIMENSION;
    return Math.cos(angle - phase) * Math.sqrt(2 / DIMENSION);
  });
}

interface Given {
  readonly photo: number;
  readonly degrees: number;
  readonly quality?: number;
  readonly person?: number | null;
  readonly decided?: boolean;
  readonly confidence?: number;
}

describe.each(backends())('persons on $name', (backend) => {
  let place: TestDatabase;
  let database: Database<StoreTables>;
  beforeEach(async () => {
    place = await backend.create();
    database = openDatabase<StoreTables>(place.url, { schema: 'store', synchronous: 'normal' });
    await migrate(database, storeMigrations);
    const values = { kind: 'face', model: MODEL, dimension: DIMENSION, updated_at: 1 } as const;
    await database.kysely.insertInto('vector_models').values(values).execute();
  });
  afterEach(async () => {
    await database.close();
    await place.drop();
  });

  const face = async ({
    photo,
    degrees,
    quality = 0.9,
    confidence = 1,
    person = null,
    decided = false,
  }: Given): Promise<number> => {
    const db = database.kysely;
    const dates = { added_date: 1, updated_date: 1 };
    await db
      .insertInto('entities')
      .values({ id: photo, is_collection: 0, is_deleted: 0, version: 1, ...dates } as never)
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
    const { id } = await db
      .insertInto('faces')
      .values({
        entity_id: photo,
        sha256: 'x',
        bbox: '{}',
        confidence,
        landmarks: '{}',
        quality,
        file_path: '',
        person_id: person,
        is_decided: decided ? 1 : 0,
        created_at: 1,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const key = { kind: 'face', model: MODEL, entityId: photo, subject: id } as const;
    await db.transaction().execute((trx) => putVector(trx, key, at(degrees)));
    return id;
  };
  const person = async (decided: boolean): Promise<number> => {
    const values = { name: null, is_hidden: 0, is_decided: decided ? 1 : 0, created_at: 1, updated_at: 1 };
    return (await database.kysely.insertInto('persons').values(values).returning('id').executeTakeFirstOrThrow()).id;
  };
  const assignAll = async (): Promise<Map<number, number | null>> => {
    const write = writeTransactions(database, () => 5);
    const index = new VectorIndex(new VectorStore(database));
    await assignFaces({ db: database.kysely, write, index, rules: DEFAULT_RULES });
    await dropEmptyPersons(database.kysely, write);
    const rows = await database.kysely.selectFrom('faces').select(['id', 'person_id']).execute();
    return new Map(rows.map(({ id, person_id }) => [id, person_id]));
  };
  const persons = async (): Promise<number> =>
    (await database.kysely.selectFrom('persons').select('id').execute()).length;

  it('starts no person with a doubtful face, and adds none to a person', async () => {
    const [certain, doubtful] = [
      await face({ photo: 1, degrees: 0 }),
      await face({ photo: 2, degrees: 5, confidence: 0.78 }),
    ];
    const alone = await face({ photo: 3, degrees: 120, confidence: 0.79 });
    const of = await assignAll();
    expect([of.get(certain) !== null, of.get(doubtful), of.get(alone)]).toEqual([true, null, null]);
    expect(await persons()).toBe(1);
  });

  it('puts similar faces into one person, and different faces into others', async () => {
    const [one, same, other] = [
      await face({ photo: 1, degrees: 0 }),
      await face({ photo: 2, degrees: 20 }),
      await face({ photo: 3, degrees: 120 }),
    ];
    const of = await assignAll();
    expect(of.get(one)).toBe(of.get(same));
    expect(of.get(other)).not.toBe(of.get(one));
    expect(await persons()).toBe(2);
  });

  it('never puts two faces of one photo into one person, even if they are almost equal', async () => {
    const [one, twin] = [await face({ photo: 1, degrees: 0 }), await face({ photo: 1, degrees: 1 })];
    const of = await assignAll();
    expect(of.get(one)).not.toBeNull();
    expect(of.get(twin)).not.toBe(of.get(one));
    // A third face that is similar to both does not merge them either.
    const third = await face({ photo: 2, degrees: 0 });
    const after = await assignAll();
    expect(after.get(twin)).not.toBe(after.get(one));
    expect([after.get(one), after.get(twin)]).toContain(after.get(third));
  });

  it.each([
    ['merges two persons if a face is similar to both', false, 1],
    ['never merges persons that a user decided on', true, 2],
  ] as const)('%s', async (_name, decided, expected) => {
    const [a, b] = [await person(decided), await person(decided)];
    await face({ photo: 1, degrees: 0, person: a });
    await face({ photo: 2, degrees: 100, person: b });
    await face({ photo: 3, degrees: 50 });
    await assignAll();
    expect(await persons()).toBe(expected);
  });

  it('leaves a face where a user put it, even if that is in no person', async () => {
    const [mine, far] = [await person(false), await person(true)];
    await face({ photo: 1, degrees: 0, person: mine });
    const taken = await face({ photo: 2, degrees: 1, decided: true });
    const moved = await face({ photo: 3, degrees: 2, person: far, decided: true });
    const of = await assignAll();
    expect([of.get(taken), of.get(moved)]).toEqual([null, far]);
  });

  it('assigns no person to a face of too low quality', async () => {
    await face({ photo: 1, degrees: 0 });
    const poor = await face({ photo: 2, degrees: 0, quality: 0.1 });
    expect((await assignAll()).get(poor)).toBeNull();
  });
});
