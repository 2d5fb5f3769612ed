/** The progress of the insight worker: the number of inferences that are left, the rate, and the remaining time. */

import { literal } from '../inferences/status.js';
import type { InsightDatabase } from '../port.js';

export interface Backlog {
  readonly pending: number;
  readonly running: number;
  readonly failed: number;
  /** Inferences that wait for a model. */
  readonly waiting: number;
}

/** Counts each status by itself, so that the database counts its partial index and not the table. */
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

/** Inferences per minute, over the last minute. */
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

  /** Seconds until `left` inferences are done at this rate; null if the rate is zero. */
  secondsLeft(left: number): number | null {
    const rate = this.perMinute();
    return rate === 0 ? (left === 0 ? 0 : null) : Math.round((left / rate) * 60);
  }
}
