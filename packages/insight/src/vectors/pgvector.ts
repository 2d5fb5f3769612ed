/**
 * Search by pgvector's HNSW, if PostgreSQL has the extension. Its table follows `vectors` as the codes in memory do: new
 * vectors are copied before a search, the foreign key deletes the others. Each model has a partial index of its own, because
 * an index has one dimension.
 */
import { createHash } from 'node:crypto';
import type { Neighbour, NeighbourSearch, Neighbours, VectorQuery } from './neighbour-search.js';
import { toFloats } from './vector-store.js';

/** Runs statements, on a pool or on one connection. */
export interface SqlRunner {
  query<T>(text: string, values?: readonly unknown[]): Promise<readonly T[]>;
  /** Statements that share settings of one transaction. */
  transaction<T>(work: (run: SqlRunner['query']) => Promise<T>): Promise<T>;
}

/** Vectors copied in one statement. */
const COPY = 500;
/** More candidates than results: an index gives approximate neighbours. */
const LEAST_CANDIDATES = 100;
const MAX_EF_SEARCH = 1_000;

const asText = (vector: Float32Array): string => `[${vector.join(',')}]`;

/** Creates the extension and its table, if the server and the user's rights allow it. @returns whether it can be used */
export async function preparePgvector(sql: SqlRunner): Promise<boolean> {
  try {
    const found = await sql.query(`select 1 from pg_available_extensions where name = 'vector'`);
    if (found.length === 0) return false;
    await sql.query('create extension if not exists vector');
    await sql.query(`
      create table if not exists vector_embeddings (
        vector_id bigint primary key references vectors (id) on delete cascade,
        kind text not null,
        model text not null,
        entity_id bigint not null,
        subject bigint not null,
        embedding vector not null
      )`);
    await sql.query('create index if not exists vector_embeddings_model on vector_embeddings (kind, model, vector_id)');
    return true;
  } catch {
    return false; // The user may not create it: search uses the codes in memory.
  }
}

interface ActiveModel {
  readonly model: string;
  readonly dimension: number;
}

interface Row {
  readonly entity_id: string | number;
  readonly subject: string | number;
  readonly score: number;
}

export class PgvectorIndex implements NeighbourSearch {
  readonly #sql: SqlRunner;
  readonly #indexed = new Set<string>();
  readonly #following = new Map<string, Promise<void>>();

  constructor(sql: SqlRunner) {
    this.#sql = sql;
  }

  async search(query: VectorQuery): Promise<Neighbours | undefined> {
    const [active] = await this.#sql.query<ActiveModel>('select model, dimension from vector_models where kind = $1', [
      query.kind,
    ]);
    if (!active) return undefined;
    await this.#follow(query.kind, active);
    const best = new Map<string, Neighbour>();
    for (const vector of query.vectors.filter(({ length }) => length === active.dimension))
      for (const row of await this.#nearest(query, active, vector)) {
        const neighbour = { entityId: Number(row.entity_id), subject: Number(row.subject), score: row.score };
        const key = `${neighbour.entityId}/${neighbour.subject}`;
        if (neighbour.score > (best.get(key)?.score ?? Number.NEGATIVE_INFINITY)) best.set(key, neighbour);
      }
    const neighbours = [...best.values()].sort((a, b) => b.score - a.score || a.entityId - b.entityId);
    return { model: active.model, neighbours: neighbours.slice(0, query.count) };
  }

  #nearest(query: VectorQuery, { model, dimension }: ActiveModel, vector: Float32Array): Promise<readonly Row[]> {
    const candidates = Math.max(LEAST_CANDIDATES, query.count);
    const filter = query.allowedEntities ? 'and entity_id = any($5)' : '';
    return this.#sql.transaction(async (run) => {
      await run(`set local hnsw.ef_search = ${Math.min(MAX_EF_SEARCH, candidates * 2)}`);
      // A search with filters must still find all results that exist.
      await run(`set local hnsw.iterative_scan = strict_order`);
      return run<Row>(
        `select entity_id, subject, 1 - (embedding::vector(${dimension}) <=> $1::vector(${dimension})) as score
         from vector_embeddings where kind = $2 and model = $3 ${filter}
         order by embedding::vector(${dimension}) <=> $1::vector(${dimension}) limit $4`,
        [asText(vector), query.kind, model, candidates, ...(query.allowedEntities ? [[...query.allowedEntities]] : [])],
      );
    });
  }

  /** Copies new vectors. One call copies for all searches that run at the same time. */
  #follow(kind: string, active: ActiveModel): Promise<void> {
    let running = this.#following.get(kind);
    if (!running) {
      running = this.#copy(kind, active).finally(() => this.#following.delete(kind));
      this.#following.set(kind, running);
    }
    return running;
  }

  async #copy(kind: string, active: ActiveModel): Promise<void> {
    const { model, dimension } = active;
    for (;;) {
      const rows = await this.#sql.query<{ id: string; entity_id: string; subject: string; data: Uint8Array }>(
        `select id, entity_id, subject, data from vectors where kind = $1 and model = $2 and id >
           coalesce((select max(vector_id) from vector_embeddings where kind = $1 and model = $2), 0)
         order by id limit ${COPY}`,
        [kind, model],
      );
      if (rows.length > 0)
        await this.#sql.query(
          `insert into vector_embeddings (vector_id, kind, model, entity_id, subject, embedding)
           select id, $1, $2, entity_id, subject, embedding::vector
           from unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::text[]) as new (id, entity_id, subject, embedding)
           where exists (select 1 from vectors v where v.id = new.id)
           on conflict (vector_id) do nothing`,
          [
            kind,
            model,
            rows.map(({ id }) => id),
            rows.map(({ entity_id }) => entity_id),
            rows.map(({ subject }) => subject),
            rows.map(({ data }) => asText(toFloats(data))),
          ],
        );
      if (rows.length < COPY) break;
    }
    await this.#index(kind, model, dimension);
  }

  async #index(kind: string, model: string, dimension: number): Promise<void> {
    const key = createHash('sha256').update(`${kind} ${model} ${dimension}`).digest('hex').slice(0, 12);
    if (this.#indexed.has(key)) return;
    const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
    await this.#sql.query(
      `create index if not exists vector_embeddings_${kind}_${key} on vector_embeddings
       using hnsw ((embedding::vector(${dimension})) vector_cosine_ops)
       where kind = ${quoted(kind)} and model = ${quoted(model)}`,
    );
    this.#indexed.add(key);
  }
}
