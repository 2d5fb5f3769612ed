/**
 * One budget per user for entities, jobs, uploads and streams. The sums are kept in the job database, which store and
 * compute share. Entities may lie in another database, and no transaction spans both, so the bytes of a new entity are
 * claimed first:
 *
 * ```
 *  claimed --entity committed--> saved: the sum of the entities is stored and the claim removed, in one transaction
 *     |  \--entity refused-----> saved
 *     +-----process died-------> expired; the next start stores the sums of all users
 * ```
 *
 * For a moment a file may be counted twice, but never not at all.
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

/** Longer than it takes to create the entity of a file that has arrived. */
const CLAIM_MS = 3_600_000;
const RETRY_AFTER_MS = 5_000;

export class Budget {
  readonly #options: BudgetOptions;
  /** The number of changes in progress, by user. */
  readonly #inProgress = new Map<string | null, number>();
  /** Users whose sum could not be saved in the job database. */
  readonly #unsaved = new Set<string | null>();
  #timer: NodeJS.Timeout | undefined;
  #retrying: Promise<void> = Promise.resolve();

  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /**
   * Runs work that adds bytes to a user's entities.
   * @param claim claim of the upload that has these bytes; it is kept if the work fails
   * @throws HttpError 413
   */
  async hold<T>(user: string | null, bytes: number, work: () => Promise<T>, claim?: string): Promise<T> {
    if (this.#options.limit === 0) return work();
    const id = claim ?? `entity:${randomUUID()}`;
    await this.claim(id, user, bytes, CLAIM_MS);
    this.#inProgress.set(user, (this.#inProgress.get(user) ?? 0) + 1);
    let isDone = claim === undefined;
    try {
      const done = await work();
      isDone = true;
      return done;
    } finally {
      this.#endChange(user);
      await this.#save(user, isDone ? id : undefined);
    }
  }

  #endChange(user: string | null): void {
    const count = (this.#inProgress.get(user) ?? 1) - 1;
    if (count === 0) this.#inProgress.delete(user);
    else this.#inProgress.set(user, count);
  }

  /**
   * Claims bytes that are expected to arrive. This replaces the earlier claim with this id.
   * @param mayExceed true for bytes that have already arrived
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

  /** Saves the bytes of these users' entities after a change, for example a deletion. */
  async changed(users: Iterable<string | null>): Promise<void> {
    if (this.#options.limit === 0) return;
    // A change in progress saves the sum when it ends.
    for (const user of users) if (!this.#inProgress.has(user)) await this.#save(user);
  }

  /** Saves the sums of all users, because a process that died may not have saved some. */
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
    this.#unsaved.add(user);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#retrying = this.changed([...this.#unsaved]);
    }, RETRY_AFTER_MS).unref();
  }

  async #save(user: string | null, claim?: string): Promise<void> {
    const { usage, database, jobDatabase, logger } = this.#options;
    this.#unsaved.delete(user);
    const isOne = (database.kysely as unknown) === jobDatabase.kysely;
    try {
      await usage.saveEntityBytes(
        user,
        // One SQLite file has one connection, which the transaction holds.
        (tx) => userBytes(isOne ? (tx as unknown as Kysely<StoreTables>) : database.kysely, user),
        claim,
      );
    } catch (error) {
      logger.error(
        { err: error },
        'the storage used by a user could not be saved in the job database; it is tried again soon',
      );
      this.#retryLater(user);
    }
  }
}
