import type {
  DuplicateGroup,
  getSimilarEntities,
  getSimilarFaces,
  listDuplicates,
  SearchResult,
  SearchResults,
  SimilarEntities,
  SimilarFaces,
  SimilarityKind,
  searchByPicture,
  searchByText,
} from '@cl-server/contract';
import { type FileInput, toFileBody } from '../files/source.js';
import type { CallOptions, HttpClient } from '../http/http-client.js';
import { byCursor } from '../http/pages.js';
import type { EntityFilters } from './entities-client.js';

/** Paging, a least score, and the filters of the entity list. */
export interface SearchOptions extends Omit<EntityFilters, 'page_size' | 'version'> {
  /** Results of one page, at most 100. Default 20. */
  readonly limit?: number | undefined;
  /** 0 to 1: only results at least this alike. */
  readonly score_threshold?: number | undefined;
  /** `next_cursor` of the page before. */
  readonly cursor?: string | undefined;
}

export interface LikenessOptions extends SearchOptions {
  /** `clip`: what is shown; `dino`: how it looks; `phash`: the very picture; or a kind of a plugin. Default `clip`. */
  readonly by?: SimilarityKind | undefined;
}

export interface DuplicateOptions {
  /** Bits of 64 in which two pHashes may differ. Default 6. */
  readonly distance?: number | undefined;
}

/** Finding again: by text, by picture, by face, and what is nearly the same. */
export class SearchClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /**
   * Pictures and videos that show what a text says, the best first. While the model is busy the server asks to come
   * back; that is done here.
   *
   * @example
   * ```ts
   * const { results } = await store.search.text('a dog on the beach', { limit: 10 });
   * ```
   */
  text(text: string, options: SearchOptions = {}, call?: CallOptions): Promise<SearchResults> {
    return this.#http.call<typeof searchByText>(
      { method: 'GET', path: '/intelligence/search', query: { text, ...options } },
      call,
    );
  }

  /**
   * All results of a text, the best first; the pages are fetched on the way.
   *
   * @example
   * ```ts
   * for await (const { entity_id, score } of store.search.all('a dog')) console.log(entity_id, score);
   * ```
   */
  async *all(text: string, options: SearchOptions = {}, call?: CallOptions): AsyncGenerator<SearchResult> {
    for (let cursor = options.cursor; ; ) {
      const { results, next_cursor } = await this.text(text, { ...options, cursor }, call);
      yield* results;
      if (next_cursor === null) return;
      cursor = next_cursor;
    }
  }

  /**
   * Entities like a picture that is sent along and not kept.
   *
   * @example
   * ```ts
   * const { results } = await store.search.picture('photo.jpg', { by: 'dino' });
   * ```
   */
  async picture(image: FileInput, { by, ...query }: LikenessOptions = {}, call?: CallOptions): Promise<SearchResults> {
    const file = { field: 'file', body: await toFileBody(image) };
    return this.#http.call<typeof searchByPicture>(
      { method: 'POST', path: '/intelligence/search', query: { ...query }, form: { by }, file, idempotent: true },
      call,
    );
  }

  /**
   * Entities like one that the store has; empty before it was understood.
   *
   * @example
   * ```ts
   * const { results } = await store.search.similar(7, { by: 'phash', score_threshold: 0.9 });
   * ```
   */
  similar(entityId: number, options: LikenessOptions = {}, call?: CallOptions): Promise<SimilarEntities> {
    return this.#http.call<typeof getSimilarEntities>(
      {
        method: 'GET',
        path: '/intelligence/entities/{entity_id}/similar',
        params: { entity_id: entityId },
        query: { ...options },
      },
      call,
    );
  }

  /**
   * Faces like one that the store has.
   *
   * @example
   * ```ts
   * const { results } = await store.search.similarFaces(3);
   * ```
   */
  similarFaces(faceId: number, options: SearchOptions = {}, call?: CallOptions): Promise<SimilarFaces> {
    return this.#http.call<typeof getSimilarFaces>(
      {
        method: 'GET',
        path: '/intelligence/faces/{face_id}/similar',
        params: { face_id: faceId },
        query: { ...options },
      },
      call,
    );
  }

  /**
   * Groups of pictures that are nearly the same, each with the one worth keeping.
   *
   * @example
   * ```ts
   * for await (const { best_entity_id, entities } of store.search.duplicates()) console.log(best_entity_id, entities.length);
   * ```
   */
  duplicates({ distance }: DuplicateOptions = {}, call?: CallOptions): AsyncGenerator<DuplicateGroup> {
    return byCursor((cursor) =>
      this.#http.call<typeof listDuplicates>(
        { method: 'GET', path: '/intelligence/duplicates', query: { distance, cursor, limit: 100 } },
        call,
      ),
    );
  }
}
