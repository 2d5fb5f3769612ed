/** Chooses the implementation of search that a database supports. */
import { byDialect, type Database, type Logger, type PostgresDatabase } from '@cl-server/service-kit';
import type { InsightTables } from '../database/tables.js';
import type { NeighbourSearch } from './neighbour-search.js';
import { PgvectorIndex, preparePgvector, type SqlRunner } from './pgvector.js';
import { VectorIndex } from './vector-index.js';
import { VectorStore } from './vector-store.js';

function poolRunner({ pool }: PostgresDatabase<InsightTables>): SqlRunner {
  return {
    query: async <T>(text: string, values?: readonly unknown[]) =>
      (await pool.query(text, values ? [...values] : [])).rows as T[],
    transaction: async (work) => {
      const client = await pool.connect();
      try {
        await client.query('begin');
        const result = await work(
          async <T>(text: string, values?: readonly unknown[]) =>
            (await client.query(text, values ? [...values] : [])).rows as T[],
        );
        await client.query('commit');
        return result;
      } catch (error) {
        await client.query('rollback').catch(() => undefined);
        throw error;
      } finally {
        client.release();
      }
    },
  };
}

/** Uses pgvector if the database has it, otherwise codes in memory. */
export async function openNeighbourSearch(database: Database<InsightTables>, logger: Logger): Promise<NeighbourSearch> {
  const runner = byDialect(database, { sqlite: () => undefined, postgres: poolRunner });
  if (runner && (await preparePgvector(runner))) {
    logger.info('vectors are searched by pgvector');
    return new PgvectorIndex(runner);
  }
  return new VectorIndex(new VectorStore(database));
}
