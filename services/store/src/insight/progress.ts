/** How much is left to understand, how fast it goes, and so how long it will take. */
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';

export interface Backlog {
  readonly pending: number;
  readonly running: number;
  readonly failed: number;
}

export async function readBacklog(db: Kysely<StoreTables>): Promise<Backlog> {
  const rows = await db
    .selectFrom('inferences')
    .select((eb) => ['status', eb.fn.countAll<number>().as('count')])
    .where('status', 'in', ['pending', 'processing', 'failed'])
    .groupBy('status')
    .execute();
  const of = (status: string): number => Number(rows.find((row) => row.status === status)?.count ?? 0);
  return { pending: of('pending'), running: of('processing'), failed: of('failed') };
}

const WINDOW = 60_000;

/** Inferences a minute, of the last minute. */
export class Rate {
  readonly #now: () => number;
  #ended: { at: number; count: number }[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  add(count: number): void {
    if (count > 0) this.#ended.push({ at: this.#now(), count });
  }

  perMinute(): number {
    const since = this.#now() - WINDOW;
    this.#ended = this.#ended.filter(({ at }) => at >= since);
    return this.#ended.reduce((sum, { count }) => sum + count, 0);
  }

  /** Seconds until `left` inferences are done at this rate; null where nothing moves. */
  secondsLeft(left: number): number | null {
    const rate = this.perMinute();
    return rate === 0 ? (left === 0 ? 0 : null) : Math.round((left / rate) * 60);
  }
}
