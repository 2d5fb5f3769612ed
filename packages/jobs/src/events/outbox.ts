import type { Kysely } from 'kysely';
import type { JobTables, OutboxRow } from '../tables.js';

/** Removals are put together for so long: each is a commit of its own. */
const SETTLE_MS = 200;
const MAX_SETTLED = 5_000;

/**
 * Status changes that are committed but perhaps not published. The committing process publishes at once and settles the
 * entry a moment later; what it leaves behind, because it died or the broker was away, the relay takes up.
 */
export class Outbox {
  readonly #kysely: Kysely<JobTables>;
  #settled: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(kysely: Kysely<JobTables>) {
    this.#kysely = kysely;
  }

  /** The broker has it. */
  settle(seq: number): void {
    this.#settled.push(seq);
    if (this.#settled.length >= MAX_SETTLED) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), SETTLE_MS).unref();
  }

  /** Entries that were left behind before the moment, the oldest first. */
  left(before: number, limit: number): Promise<OutboxRow[]> {
    return this.#kysely
      .selectFrom('job_outbox')
      .selectAll()
      .where('created_at', '<', before)
      .orderBy('seq')
      .limit(limit)
      .execute();
  }

  /** Removes what is settled. A failure leaves the entries to the relay, which publishes once more. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const seqs = this.#settled;
    this.#settled = [];
    if (seqs.length > 0) this.#writing = this.#writing.then(() => this.remove(seqs)).catch(() => undefined);
    return this.#writing;
  }

  async remove(seqs: readonly number[]): Promise<void> {
    for (let from = 0; from < seqs.length; from += 1000)
      await this.#kysely
        .deleteFrom('job_outbox')
        .where('seq', 'in', seqs.slice(from, from + 1000))
        .execute();
  }
}
