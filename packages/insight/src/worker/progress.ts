/** How much is left to understand, how fast it goes, and so how long it will take. */

import { literal } from '../inferences/status.js';
import type { InsightDatabase } from '../port.js';

export interface Backlog {
  readonly pending: number;
  readonly running: number;
  readonly failed: number;
  /** For a model. */
  readonly waiting: number;
}

/** Each status by itself, so that its partial index is counted and not the table. */
export async function readBacklog(db: InsightDatabase): Promise<Backlog> {
  const count = async (status: 'pending' | 'processing' | 'failed' | 'waiting'): Promise<number> => {
    const row = await db
      .selectFrom('inferences')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('status', '=', literal(status))
      .executeTakeFirstOrThrow();
    return Number(row.count);
  };
  return {
    pending: await count('pending'),
    running: await count('processing'),
    failed: await count('failed'),
    waiting: await count('waiting'),
  };
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
