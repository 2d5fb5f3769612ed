/** The ways in which entities are compared: by each vector of an insight, and by perceptual hashes. */

import type { SearchResult } from '@cl-server/contract';
import { normalized } from '@cl-server/models';
import { HttpError } from '@cl-server/service-kit';
import type { InsightReader } from '../api/reader.js';
import { phashOf } from '../built-in/hash.js';
import type { JobResult } from '../collect-context.js';
import type { Insight } from '../define.js';
import type { MediaStore } from '../port.js';
import type { InsightRegistry, VectorInsight } from '../registry.js';
import type { VectorStore } from '../vectors/vector-store.js';
import type { Page, Question, Search } from './search.js';

/** The example that entities are compared with. */
export interface Example {
  /** There is nothing to compare with: no result is found. */
  readonly isEmpty: boolean;
  find(question: Question): Promise<Page<SearchResult>>;
}

export interface Similarity {
  /** Name in requests. */
  readonly by: string;
  /** The insight whose results are compared; its task runs on an uploaded picture. */
  readonly insight: Insight;
  ofEntity(entityId: number): Promise<Example>;
  /** @throws HttpError 422 if nothing can be compared with the picture */
  ofResult(result: JobResult): Promise<Example>;
}

export interface SimilarityOptions {
  readonly search: Search;
  readonly vectors: VectorStore;
  readonly insights: InsightReader;
  readonly folder: MediaStore;
}

function byVector(insight: VectorInsight, { search, vectors, folder }: SimilarityOptions): Similarity {
  const { kind } = insight.vector;
  const example = (found: readonly Float32Array[]): Example => ({
    isEmpty: found.length === 0,
    find: (question) => search.byVectors(kind, found, question),
  });
  return {
    by: kind,
    insight,
    ofEntity: async (entityId) => example(await vectors.of(kind, entityId)),
    ofResult: async (result) => {
      const nothing = { entityId: 0, subject: '', sha256: '' };
      const collected = await insight.collect?.(result, nothing, { media: folder, followers: [] });
      if (!collected?.vector) throw new HttpError(422, 'The picture cannot be read');
      return example([normalized(collected.vector)]);
    },
  };
}

function byFingerprint(insight: Insight, by: string, { search, insights }: SimilarityOptions): Similarity {
  const example = (hashes: readonly string[]): Example => ({
    isEmpty: hashes.length === 0,
    find: (question) => search.byPhash(hashes, question),
  });
  return {
    by,
    insight,
    ofEntity: async (entityId) => example(await insights.phashes(entityId)),
    ofResult: async ({ output }) => {
      const hash = phashOf(output);
      if (hash === undefined)
        throw new HttpError(422, String(output['perceptual_error'] ?? 'The picture cannot be read'));
      return example([hash]);
    },
  };
}

export class Similarities {
  readonly #byName: ReadonlyMap<string, Similarity>;

  constructor(registry: InsightRegistry, options: SimilarityOptions) {
    const all = [
      // An insight that follows another one is about a part of an entity.
      ...registry.withVector.flatMap((insight) => (insight.follows === undefined ? [byVector(insight, options)] : [])),
      ...[...registry].flatMap((insight) =>
        insight.fingerprint === undefined ? [] : [byFingerprint(insight, insight.fingerprint, options)],
      ),
    ];
    this.#byName = new Map(all.map((similarity) => [similarity.by, similarity]));
  }

  /** @throws HttpError 422 that lists the existing ones */
  get(by: string, where: 'query' | 'body'): Similarity {
    const found = this.#byName.get(by);
    if (found) return found;
    const names = [...this.#byName.keys()].map((name) => `'${name}'`);
    const expected = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
    throw new HttpError(422, [
      { type: 'literal_error', loc: [where, 'by'], msg: `Input should be ${expected}`, input: by, ctx: { expected } },
    ]);
  }
}
