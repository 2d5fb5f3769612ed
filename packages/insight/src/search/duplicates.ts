/** Groups of nearly equal pictures: linked by their pHashes and, if both have a DINO vector, by near vectors as well. */

import type { DuplicateGroup, Entity } from '@cl-server/contract';
import { dot } from '@cl-server/models';
import { sql } from 'kysely';
import { dinoEmbedding } from '../built-in/dino-embedding.js';
import type { EntityFeed, EntityView, Reads } from '../port.js';
import type { VectorStore } from '../vectors/vector-store.js';
import { PHASH_BITS } from './phash-index.js';

/** If the cosine of two DINO vectors is lower, equal pHashes are a coincidence, as of plain surfaces. */
const SAME_LOOK = 0.8;
const KIND = dinoEmbedding.vector.kind;

interface Link {
  readonly entity_id: number;
  readonly other_id: number;
  readonly distance: number;
}

/** Connected groups of links, by the smallest id; largest groups need no order of their own. */
export function groupLinks(links: readonly Link[]): { ids: number[]; distance: number }[] {
  const parent = new Map<number, number>();
  const root = (id: number): number => {
    let at = id;
    for (let next = parent.get(at); next !== undefined && next !== at; next = parent.get(at)) at = next;
    parent.set(id, at);
    return at;
  };
  for (const { entity_id, other_id } of links) {
    const [a, b] = [root(entity_id), root(other_id)];
    parent.set(Math.max(a, b), Math.min(a, b));
  }
  const groups = new Map<number, { ids: Set<number>; distance: number }>();
  for (const { entity_id, other_id, distance } of links) {
    const group = groups.get(root(entity_id)) ?? { ids: new Set<number>(), distance: 0 };
    group.ids.add(entity_id).add(other_id);
    group.distance = Math.max(group.distance, distance);
    groups.set(root(entity_id), group);
  }
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([, { ids, distance }]) => ({ ids: [...ids].sort((a, b) => a - b), distance }));
}

/** Most pixels first, then most bytes, then the oldest. */
const byWorth = (a: Entity, b: Entity): number =>
  (b.width ?? 0) * (b.height ?? 0) - (a.width ?? 0) * (a.height ?? 0) ||
  (b.file_size ?? 0) - (a.file_size ?? 0) ||
  a.id - b.id;

export interface DuplicatesOptions {
  readonly reads: Reads;
  readonly feed: EntityFeed;
  readonly view: EntityView;
  readonly vectors: VectorStore;
}

export class Duplicates {
  readonly #options: DuplicatesOptions;

  constructor(options: DuplicatesOptions) {
    this.#options = options;
  }

  async list(
    distance: number,
    after: number,
    limit: number,
  ): Promise<{ items: DuplicateGroup[]; next: number | null; total: number }> {
    const { reads, feed } = this.#options;
    const links = await reads.all<Link>(sql`
      select n.entity_id, n.other_id, n.distance from near_duplicates n
      where n.distance <= ${distance}
        and ${feed.isAlive(sql.ref('n.entity_id'))} and ${feed.isAlive(sql.ref('n.other_id'))}
      order by n.entity_id, n.other_id`);
    const confirmed: Link[] = [];
    for (const link of links) if (await this.#looksTheSame(link)) confirmed.push(link);
    const groups = groupLinks(confirmed);
    const rest = groups.filter(({ ids }) => (ids[0] ?? 0) > after);
    const page = rest.slice(0, limit);
    const items: DuplicateGroup[] = [];
    for (const group of page) items.push(await this.#view(group));
    const last = page.at(-1)?.ids[0];
    return { items, next: rest.length > limit && last !== undefined ? last : null, total: groups.length };
  }

  async #looksTheSame({ entity_id, other_id }: Link): Promise<boolean> {
    const { vectors } = this.#options;
    const [[a], [b]] = await Promise.all([vectors.of(KIND, entity_id, 0), vectors.of(KIND, other_id, 0)]);
    return !a || !b || dot(a, b) >= SAME_LOOK;
  }

  async #view({ ids, distance }: { ids: readonly number[]; distance: number }): Promise<DuplicateGroup> {
    const entities = [...(await this.#options.view.alive(ids)).values()].sort(byWorth);
    return { entities, best_entity_id: entities[0]?.id ?? 0, similarity: 1 - distance / PHASH_BITS };
  }
}
