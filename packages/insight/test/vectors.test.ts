/** Nearest vectors: one suite for every implementation, codes in memory on both databases and pgvector. */
import { dot, normalized } from '@cl-server/models';
import { type Database, migrate, openDatabase } from '@cl-server/service-kit';
import { type StoreTables, storeMigrations } from '@cl-server/store';
import { backends, type TestDatabase } from '@cl-server/testing';
import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { vector as vectorExtension } from '@electric-sql/pglite/vector';
import { Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CodeTable, signBits } from '../src/vectors/codes.js';
import type { NeighbourSearch } from '../src/vectors/neighbour-search.js';
import { PgvectorIndex, preparePgvector, type SqlRunner } from '../src/vectors/pgvector.js';
import { VectorIndex } from '../src/vectors/vector-index.js';
import { putVector, VectorStore } from '../src/vectors/vector-store.js';

const DIMENSION = 64;
const CLUSTERS = 40;

/** The same numbers everywhere (mulberry32), Gaussian by Box and Muller. */
function gaussian(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform() + 1e-12)) * Math.cos(2 * Math.PI * uniform());
}

const random = gaussian(7);
const anyVector = (): Float32Array => normalized(Float32Array.from({ length: DIMENSION }, random));
const centres = Array.from({ length: CLUSTERS }, anyVector);
const near = (centre: Float32Array): Float32Array =>
  normalized(centre.map((value) => value + (0.7 * random()) / Math.sqrt(DIMENSION)));
const vectors = Array.from({ length: 400 }, (_, n) => near(centres[n % CLUSTERS] as Float32Array));

interface Opened {
  readonly db: Kysely<StoreTables>;
  readonly search: NeighbourSearch;
  close(): Promise<void>;
}

/** PGlite as a database of Kysely: one connection, no pool. */
async function openPglite(): Promise<Opened> {
  const lite = await PGlite.create({ extensions: { vector: vectorExtension, pg_trgm } });
  const connection = {
    executeQuery: async <R>({ sql, parameters }: { sql: string; parameters: readonly unknown[] }) => {
      const { rows, affectedRows } = await lite.query<R>(sql, [...parameters]);
      return { rows, numAffectedRows: BigInt(affectedRows ?? 0) };
    },
    streamQuery: () => {
      throw new Error('not streamed here');
    },
  };
  const statement = (text: string) => async (): Promise<void> => void (await lite.exec(text));
  const kysely = new Kysely<StoreTables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
      createDriver: () => ({
        init: async () => undefined,
        acquireConnection: async () => connection,
        beginTransaction: statement('begin'),
        commitTransaction: statement('commit'),
        rollbackTransaction: statement('rollback'),
        releaseConnection: async () => undefined,
        destroy: () => lite.close(),
      }),
    },
  });
  const database: Database<StoreTables> = {
    dialect: 'postgres',
    kysely,
    schema: 'public',
    patient: () => ({ ...database, close: async () => undefined }),
    close: () => kysely.destroy(),
  } as unknown as Database<StoreTables>;
  await migrate(database, storeMigrations);
  const query: SqlRunner['query'] = async <T>(text: string, values: readonly unknown[] = []) =>
    (await lite.query<T>(text, [...values])).rows;
  const runner: SqlRunner = {
    query,
    transaction: async (work) => {
      await lite.exec('begin');
      try {
        return await work(query);
      } finally {
        await lite.exec('commit');
      }
    },
  };
  if (!(await preparePgvector(runner))) throw new Error('pgvector is not there');
  return { db: kysely, search: new PgvectorIndex(runner), close: () => kysely.destroy() };
}

const ways = [
  ...backends().map((backend) => ({
    name: `codes on ${backend.name}`,
    open: async (): Promise<Opened> => {
      const test: TestDatabase = await backend.create();
      const database = openDatabase<StoreTables>(test.url, { schema: 'store', synchronous: 'normal' });
      await migrate(database, storeMigrations);
      return {
        db: database.kysely,
        search: new VectorIndex(new VectorStore(database)),
        close: async () => {
          await database.close();
          await test.drop();
        },
      };
    },
  })),
  { name: 'pgvector', open: openPglite },
];

describe.each(ways)('nearest vectors by $name', ({ open }) => {
  let opened: Opened;
  const key = (entityId: number) => ({ kind: 'clip' as const, model: 'm@1+1', entityId, subject: 0 });

  beforeAll(async () => {
    opened = await open();
    const { db } = opened;
    await db.transaction().execute(async (trx) => {
      for (const [index, data] of vectors.entries()) {
        await trx
          .insertInto('entities')
          .values({
            id: index + 1,
            is_collection: 0,
            added_date: 1,
            updated_date: 1,
            version: 1,
            is_deleted: 0,
          } as never)
          .execute();
        await putVector(trx, key(index + 1), data);
      }
      await trx
        .insertInto('vector_models')
        .values({ kind: 'clip', model: 'm@1+1', dimension: DIMENSION, updated_at: 1 })
        .execute();
    });
  });
  afterAll(() => opened?.close());

  const exact = (query: Float32Array, allowed = (_id: number): boolean => true): number[] =>
    vectors
      .map((vector, index) => ({ id: index + 1, score: dot(query, vector) }))
      .filter(({ id }) => allowed(id))
      .sort((a, b) => b.score - a.score)
      .slice(0, 10)
      .map(({ id }) => id);
  const find = async (query: Float32Array, more = {}): Promise<number[]> =>
    ((await opened.search.search({ kind: 'clip', vectors: [query], count: 10, ...more }))?.neighbours ?? []).map(
      ({ entityId }) => entityId,
    );

  it('finds the results of an exact search (recall of 10 at least 0.98)', async () => {
    let hits = 0;
    for (let n = 0; n < 20; n++) {
      const query = near(centres[n] as Float32Array);
      const truth = new Set(exact(query));
      hits += (await find(query)).filter((id) => truth.has(id)).length;
    }
    expect(hits / 200).toBeGreaterThanOrEqual(0.98);
  });

  it('returns exact scores, best first, and the best of several queries', async () => {
    const [a, b] = [vectors[3] as Float32Array, vectors[77] as Float32Array];
    const found = await opened.search.search({ kind: 'clip', vectors: [a, b], count: 10 });
    const scores = found?.neighbours.map(({ score }) => score) ?? [];
    expect(scores.slice(0, 2).every((score) => Math.abs(score - 1) < 1e-5)).toBe(true);
    expect(new Set(found?.neighbours.slice(0, 2).map(({ entityId }) => entityId))).toEqual(new Set([4, 78]));
    expect(scores).toEqual([...scores].sort((x, y) => y - x));
  });

  it('searches only among the entities that are allowed, and finds all of those', async () => {
    const allowed = new Set(Array.from({ length: 15 }, (_, n) => n * 20 + 1));
    const query = near(centres[5] as Float32Array);
    expect(await find(query, { allowedEntities: allowed })).toEqual(exact(query, (id) => allowed.has(id)));
  });

  it('follows added, replaced and removed vectors', async () => {
    const { db } = opened;
    const query = anyVector();
    await db.transaction().execute((trx) => putVector(trx, key(9), query));
    expect((await find(query))[0]).toBe(9);
    await db.transaction().execute((trx) => putVector(trx, key(9), vectors[8] as Float32Array));
    expect((await find(vectors[8] as Float32Array))[0]).toBe(9);
    await db.deleteFrom('vectors').where('entity_id', '=', 9).execute();
    expect(await find(vectors[8] as Float32Array)).not.toContain(9);
  });

  it('finds nothing for a kind that has no vectors', async () => {
    expect(await opened.search.search({ kind: 'dino', vectors: [anyVector()], count: 3 })).toBeUndefined();
  });
});

describe('codes', () => {
  it('order by the number of differing bits and grow beyond their first capacity', async () => {
    const table = new CodeTable(32);
    for (let id = 0; id < 3_000; id++) table.add(id, id, new Uint8Array(Uint32Array.of(id).buffer));
    expect(table.size).toBe(3_000);
    const [first, ...rest] = await table.nearest(Uint32Array.of(5), 5);
    expect(first).toBe(5);
    expect(rest.slice(0, 4).sort((a, b) => a - b)).toEqual([1, 4, 7, 13]);
    expect(signBits(Float32Array.of(1, -1, 0, 2))).toEqual(Uint32Array.of(0b1001));
  });
});
