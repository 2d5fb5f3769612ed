/**
 * Search among the vectors of one kind: first by signs, then by the exact cosine of the nearest few. Codes are kept in
 * memory (64 bytes for a vector of 512 numbers) and follow the database: new rows are read before a search, and a deleted
 * vector is noticed when its numbers are read.
 */

import { dot } from '@cl-server/models';
import { CodeTable, signBits } from './codes.js';
import type { NeighbourSearch, Neighbours, VectorQuery } from './neighbour-search.js';
import type { StoredVector, VectorStore } from './vector-store.js';

interface Loaded {
  readonly model: string;
  readonly table: CodeTable;
  lastId: number;
  /** Vectors that no longer exist in the database. */
  missing: number;
}

/** Nearest codes whose exact distance is computed: a minimum, and a number for each requested neighbour. */
const MIN_CANDIDATES = 400;
const CANDIDATES_PER_NEIGHBOUR = 20;
/** Vectors with few numbers, or with numbers of one sign, all have the same code. A query takes a limited number of ids. */
const MAX_CANDIDATES = 20_000;
const PAGE = 20_000;
/** A code table is read again if this share of it was deleted. */
const MAX_DELETED_SHARE = 0.2;

export class VectorIndex implements NeighbourSearch {
  readonly #store: VectorStore;
  readonly #loaded = new Map<string, Loaded>();
  readonly #refreshing = new Map<string, Promise<Loaded | undefined>>();

  constructor(store: VectorStore) {
    this.#store = store;
  }

  async search(query: VectorQuery): Promise<Neighbours | undefined> {
    const loaded = await this.#refresh(query.kind);
    if (!loaded) return undefined;
    const count = Math.max(MIN_CANDIDATES, query.count * CANDIDATES_PER_NEIGHBOUR);
    const ids = new Set<number>();
    for (const vector of query.vectors)
      for (const id of await loaded.table.nearest(signBits(vector), count, query.allowedEntities)) ids.add(id);
    const candidates = [...ids].slice(0, MAX_CANDIDATES);
    const found = await this.#store.byIds(candidates);
    loaded.missing += candidates.length - found.length;
    const neighbours = found
      .map((stored) => ({ entityId: stored.entity_id, subject: stored.subject, score: best(query.vectors, stored) }))
      .sort((a, b) => b.score - a.score || a.entityId - b.entityId);
    return { model: loaded.model, neighbours: neighbours.slice(0, query.count) };
  }

  /** Reads the vectors that were added since the last time. One call reads for all searches that run at the same time. */
  #refresh(kind: string): Promise<Loaded | undefined> {
    let running = this.#refreshing.get(kind);
    if (!running) {
      running = this.#read(kind).finally(() => this.#refreshing.delete(kind));
      this.#refreshing.set(kind, running);
    }
    return running;
  }

  async #read(kind: string): Promise<Loaded | undefined> {
    const active = await this.#store.active(kind);
    if (!active) return undefined;
    let loaded = this.#loaded.get(kind);
    const stale = loaded && loaded.missing > 1_000 && loaded.missing > loaded.table.size * MAX_DELETED_SHARE;
    if (!loaded || loaded.model !== active.model || stale) {
      loaded = { model: active.model, table: new CodeTable(active.dimension), lastId: 0, missing: 0 };
      this.#loaded.set(kind, loaded);
    }
    for (;;) {
      const rows = await this.#store.codesAfter(kind, active.model, loaded.lastId, PAGE);
      for (const { vector_id, entity_id, bits } of rows) {
        loaded.table.add(vector_id, entity_id, bits);
        loaded.lastId = vector_id;
      }
      if (rows.length < PAGE) return loaded;
    }
  }
}

const best = (queries: readonly Float32Array[], { vector }: StoredVector): number =>
  Math.max(...queries.map((query) => (query.length === vector.length ? dot(query, vector) : -1)));
