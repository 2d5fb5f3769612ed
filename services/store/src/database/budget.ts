/**
 * One budget per user over entities, jobs, uploads and streams. The sums are compared in the job database, which store and compute
 * share. Entities may lie in another database, and no transaction spans both, so what is about to become an entity is
 * claimed first:
 *
 * ```
 *  claimed --entity committed--> settled: the sum of the entities is stored and the claim removed, in one transaction
 *     |  \--entity refused-----> settled
 *     +-----process died-------> expires; the next start stores the sums of all users
 * ```
 *
 * A file counts twice for a moment rather than not at all.
 */
import { randomUUID } from 'node:crypto';
import type { JobTables, Usage } from '@cl-server/jobs';
import { type Database, type Logger, overBudget } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { StoreTables } from './tables.js';
import { userBytes, userOfUsage } from './usage.js';

export interface BudgetOptions {
  readonly usage: Usage;
  readonly database: Database<StoreTables>;
  readonly jobDatabase: Database<JobTables>;
  /** Bytes that one user, or all guests together, may keep; 0: no limit, and nothing is written. */
  readonly limit: number;
  readonly logger: Logger;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Longer than it takes to make an entity of a file that has arrived. */
const CLAIM_MS = 3_600_000;
const RETRY_AFTER_MS = 5_000;

export class Budget {
  readonly #options: BudgetOptions;
  /** Users for whom something is under way, and how many times. */
  readonly #held = new Map<string | null, number>();
  /** Users whose sum could not be told. */
  readonly #untold = new Set<string | null>();
  #timer: NodeJS.Timeout | undefined;
  #retrying: Promise<void> = Promise.resolve();

  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /**
   * Does what adds bytes to a user's entities.
   * @param claim of the upload that has these bytes; it stays if the work fails
   * @throws HttpError 413
   */
  async hold<T>(user: string | null, bytes: number, work: () => Promise<T>, claim?: string): Promise<T> {
    if (this.#options.limit === 0) return work();
    const id = claim ?? `entity:${randomUUID()}`;
    await this.claim(id, user, bytes, CLAIM_MS);
    this.#held.set(user, (this.#held.get(user) ?? 0) + 1);
    let settles = claim === undefined;
    try {
      const done = await work();
      settles = true;
      return done;
    } finally {
      this.#letGo(user);
      if (settles) await this.#settle(user, id);
    }
  }

  #letGo(user: string | null): void {
    const held = (this.#held.get(user) ?? 1) - 1;
    if (held === 0) this.#held.delete(user);
    else this.#held.set(user, held);
  }

  /**
   * Counts bytes that are to arrive, instead of what was claimed under this name before.
   * @param mayExceed for what has arrived already
   * @throws HttpError 413
   */
  async claim(id: string, user: string | null, bytes: number, forMs: number, mayExceed = false): Promise<void> {
    const { limit, usage, now } = this.#options;
    if (limit === 0) return;
    const most = mayExceed ? Number.POSITIVE_INFINITY : limit;
    const answer = await usage.claim({ id, user, bytes, expiresAt: now() + forMs }, most);
    if (!answer.ok) throw overBudget(answer.used, limit);
  }

  /** Whether there is a limit at all. */
  get isLimited(): boolean {
    return this.#options.limit > 0;
  }

  async release(id: string): Promise<void> {
    if (this.#options.limit > 0) await this.#options.usage.release(id);
  }

  /** Tells what these users' entities take now, after the deletion of some for instance. */
  async changed(users: Iterable<string | null>): Promise<void> {
    if (this.#options.limit === 0) return;
    // Who holds something settles when it is done.
    for (const user of users) if (!this.#held.has(user)) await this.#settle(user);
  }

  /** Tells the sums of all users: a process that died may have left some untold. */
  async start(): Promise<void> {
    if (this.#options.limit === 0) return;
    const users = await this.#options.database.kysely.selectFrom('usage').select('user_id').execute();
    await this.changed(users.map(({ user_id }) => userOfUsage(user_id)));
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#retrying;
  }

  #retryLater(user: string | null): void {
    this.#untold.add(user);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#retrying = this.changed([...this.#untold]);
    }, RETRY_AFTER_MS).unref();
  }

  async #settle(user: string | null, claim?: string): Promise<void> {
    const { usage, database, jobDatabase, logger } = this.#options;
    this.#untold.delete(user);
    const isOne = (database.kysely as unknown) === jobDatabase.kysely;
    try {
      await usage.saveEntityBytes(
        user,
        // In one SQLite file there is one connection, and the transaction has it.
        (tx) => userBytes(isOne ? (tx as unknown as Kysely<StoreTables>) : database.kysely, user),
        claim,
      );
    } catch (error) {
      logger.error({ err: error }, 'what a user keeps could not be told to the job database; tried again soon');
      this.#retryLater(user);
    }
  }
}
