/** Search by similarity: the same whether the example is a text, a picture, an entity or a face. */

import type { Entity, SearchResult } from '@cl-server/contract';
import { cursorCodec } from '@cl-server/kit';
import { positionOf } from '@cl-server/service-kit';
import { faceEmbedding } from '../built-in/face-embedding.js';
import type { EntityFilters, EntityView } from '../port.js';
import type { NeighbourSearch } from '../vectors/neighbour-search.js';
import { PHASH_BITS, type PhashIndex } from './phash-index.js';

export interface Paging {
  readonly limit: number;
  readonly score_threshold?: number | undefined;
  readonly cursor?: string | undefined;
}

export interface Question {
  readonly paging: Paging;
  readonly filters: EntityFilters;
  /** The entity that the search starts from; it is not a result. */
  readonly exceptEntity?: number;
}

export interface Page<T> {
  readonly results: T[];
  readonly next_cursor: string | null;
  readonly model_id: string | null;
}

interface Hit {
  readonly entityId: number;
  readonly subject: number;
  readonly score: number;
}

/** Maximum number of results over all pages. */
const MAX_DEPTH = 5_000;

const cursors = cursorCodec('o');

const clamp01 = (value: number): number => Math.min(1, Math.max(0, value));

export interface SearchOptions {
  readonly index: NeighbourSearch;
  readonly phashes: PhashIndex;
  readonly view: EntityView;
}

export class Search {
  readonly #options: SearchOptions;

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  /** Entities by vectors; the best of an entity's vectors counts. */
  async byVectors(kind: string, vectors: readonly Float32Array[], question: Question): Promise<Page<SearchResult>> {
    const { wanted, allowed } = await this.#plan(question);
    const found =
      vectors.length === 0
        ? undefined
        : await this.#options.index.search({
            kind,
            vectors,
            count: wanted,
            ...(allowed && { allowedEntities: allowed }),
          });
    return this.#entityPage(found?.neighbours ?? [], question, found?.model ?? null);
  }

  /** Entities by pHash; the score is the part of equal bits. */
  async byPhash(hashes: readonly string[], question: Question): Promise<Page<SearchResult>> {
    const { wanted, allowed } = await this.#plan(question);
    const hits: Hit[] = [];
    for (const hash of hashes)
      for (const { entityId, distance } of await this.#options.phashes.nearest(hash, wanted, allowed))
        hits.push({ entityId, subject: 0, score: 1 - distance / PHASH_BITS });
    hits.sort((a, b) => b.score - a.score || a.entityId - b.entityId);
    return this.#entityPage(hits, question, null);
  }

  /** Faces by a face's vector. */
  async faces(vectors: readonly Float32Array[], question: Question): Promise<Page<Hit & { entity: Entity }>> {
    const { wanted, allowed } = await this.#plan(question);
    const found =
      vectors.length === 0
        ? undefined
        : await this.#options.index.search({
            kind: faceEmbedding.vector.kind,
            vectors,
            count: wanted,
            ...(allowed && { allowedEntities: allowed }),
          });
    return this.#page(found?.neighbours ?? [], question, found?.model ?? null, (hit) => `${hit.subject}`);
  }

  async #plan({ paging, filters }: Question): Promise<{ wanted: number; allowed: ReadonlySet<number> | undefined }> {
    const offset = positionOf(cursors, paging.cursor) ?? 0;
    // Some are dropped afterwards: deleted ones, further frames of one video, the example itself.
    const wanted = Math.min(MAX_DEPTH, (offset + paging.limit + 1) * 2 + 32);
    return { wanted, allowed: await this.#options.view.matching(filters) };
  }

  async #entityPage(hits: readonly Hit[], question: Question, model: string | null): Promise<Page<SearchResult>> {
    const page = await this.#page(hits, question, model, (hit) => `${hit.entityId}`);
    return {
      ...page,
      results: page.results.map(({ entityId, score, entity }) => ({ entity_id: entityId, score, entity })),
    };
  }

  async #page(
    hits: readonly Hit[],
    { paging, exceptEntity }: Question,
    model: string | null,
    identity: (hit: Hit) => string,
  ): Promise<Page<Hit & { entity: Entity }>> {
    const offset = positionOf(cursors, paging.cursor) ?? 0;
    const threshold = paging.score_threshold ?? 0;
    const seen = new Set<string>();
    const unique = hits.filter((hit) => {
      const id = identity(hit);
      if (seen.has(id) || hit.entityId === exceptEntity || clamp01(hit.score) < threshold) return false;
      seen.add(id);
      return true;
    });
    const entities = await this.#options.view.alive(unique.map(({ entityId }) => entityId));
    const live = unique.flatMap((hit) => {
      const entity = entities.get(hit.entityId);
      return entity ? [{ ...hit, score: clamp01(hit.score), entity }] : [];
    });
    const results = live.slice(offset, offset + paging.limit);
    const more = live.length > offset + paging.limit && offset + paging.limit < MAX_DEPTH;
    return {
      results,
      next_cursor: more ? cursors.encode(offset + paging.limit) : null,
      model_id: model === null ? null : (model.split('@', 1)[0] ?? null),
    };
  }
}
