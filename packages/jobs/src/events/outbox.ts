import type { Kysely } from 'kysely';
import type { JobTables, OutboxRow } from '../tables.js';

/** Acknowledged entries are removed together after this time, because each removal is a commit of its own. */
const REMOVAL_DELAY_MS = 200;
const MAX_ACKNOWLEDGED = 5_000;

/**
 * Status changes that are committed but perhaps not published. The committing process publishes at once and removes
 * the entry a moment later. What it leaves behind, because it died or the broker was away, the relay publishes.
 */
export class Outbox {
  readonly #kysely: Kysely<JobTables>;
  #acknowledged: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(kysely: Kysely<JobTables>) {
    this.#kysely = kysely;
  }

  /** The broker has received this entry's event. */
  acknowledge(seq: number): void {
    this.#acknowledged.push(seq);
    if (this.#acknowledged.length >= MAX_ACKNOWLEDGED) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), REMOVAL_DELAY_MS).unref();
  }

  /** Entries from before the moment, the oldest first. */
  left(before: number, limit: number): Promise<OutboxRow[]> {
    return this.#kysely
      .selectFrom('job_outbox')
      .selectAll()
      .where('created_at', '<', before)
      .orderBy('seq')
      .limit(limit)
      .execute();
  }

  /** Removes what is acknowledged. A failure leaves the entries to the relay, which publishes them again. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const seqs = this.#acknowledged;
    this.#acknowledged = [];
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
