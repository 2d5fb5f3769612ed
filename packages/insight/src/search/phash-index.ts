/** Pictures by their pHash: 64 bits each, kept in memory. They follow the database like the codes of vectors. */
import type { InsightDatabase } from '../port.js';
import { CodeTable } from '../vectors/codes.js';

export const PHASH_BITS = 64;
const PAGE = 20_000;

/** The digits of a pHash as two words. */
export function phashWords(phash: string): Uint32Array {
  return Uint32Array.of(Number.parseInt(phash.slice(8), 16), Number.parseInt(phash.slice(0, 8), 16));
}

export interface HashNeighbour {
  readonly entityId: number;
  /** Bits that differ. */
  readonly distance: number;
}

function distanceOf(a: string, b: string): number {
  let bits = BigInt(`0x${a}`) ^ BigInt(`0x${b}`);
  let count = 0;
  for (; bits > 0n; bits &= bits - 1n) count++;
  return count;
}

export class PhashIndex {
  readonly #db: InsightDatabase;
  readonly #table = new CodeTable(PHASH_BITS);
  #lastId = 0;
  #refreshing: Promise<void> | undefined;

  constructor(db: InsightDatabase) {
    this.#db = db;
  }

  /** Entities nearest to a pHash, each once, nearest first; at most `count`. */
  async nearest(phash: string, count: number, allowed?: ReadonlySet<number>): Promise<HashNeighbour[]> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
    const ids = (await this.#table.nearest(phashWords(phash), count * 2 + 16, allowed)).slice(0, count * 4 + 64);
    if (ids.length === 0) return [];
    // Deleted and replaced rows are no longer found.
    const rows = await this.#db
      .selectFrom('perceptual_hashes')
      .select(['entity_id', 'phash'])
      .where('id', 'in', ids)
      .execute();
    const best = new Map<number, number>();
    for (const row of rows) {
      const distance = distanceOf(row.phash, phash);
      best.set(row.entity_id, Math.min(distance, best.get(row.entity_id) ?? PHASH_BITS));
    }
    return [...best]
      .map(([entityId, distance]) => ({ entityId, distance }))
      .sort((a, b) => a.distance - b.distance || a.entityId - b.entityId)
      .slice(0, count);
  }

  async #refresh(): Promise<void> {
    for (;;) {
      const rows = await this.#db
        .selectFrom('perceptual_hashes')
        .select(['id', 'entity_id', 'phash'])
        .where('id', '>', this.#lastId)
        .orderBy('id')
        .limit(PAGE)
        .execute();
      for (const { id, entity_id, phash } of rows) {
        this.#table.add(id, entity_id, new Uint8Array(phashWords(phash).buffer));
        this.#lastId = id;
      }
      if (rows.length < PAGE) return;
    }
  }
}
