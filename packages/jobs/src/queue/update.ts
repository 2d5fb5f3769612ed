/**
 * The rarer updates (failing, cancelling, retrying, expiring): rows are read under lock, the state machine decides, and the
 * patch and its outbox entry are written in the same transaction.
 */
import type { Kysely, SelectQueryBuilder, Transaction } from 'kysely';
import type { JobContext } from '../context.js';
import type { Committed } from '../events/publisher.js';
import type { JobPatch } from '../machine.js';
import type { JobRow, JobTables } from '../tables.js';
import { retryDeadlocks } from './postgres.js';

export type Tx = Transaction<JobTables>;
export type JobQuery = SelectQueryBuilder<JobTables, 'jobs', JobRow>;
export type Decide = (row: JobRow, tx: Tx) => JobPatch | undefined | Promise<JobPatch | undefined>;

export interface Changed {
  readonly before: JobRow;
  readonly after: JobRow;
}

export class JobUpdates {
  readonly #context: JobContext;

  constructor(context: JobContext) {
    this.#context = context;
  }

  get #kysely(): Kysely<JobTables> {
    return this.#context.database.kysely;
  }

  /** Runs again if PostgreSQL found a deadlock. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return retryDeadlocks(() => this.#kysely.transaction().execute(work));
  }

  /**
   * Changes the rows that a query finds.
   * @param skipLocked leaves out rows that another process has locked, instead of waiting for them
   * @returns those that were changed
   */
  async apply(
    find: (query: JobQuery) => JobQuery,
    decide: Decide,
    { skipLocked = false }: { skipLocked?: boolean } = {},
  ): Promise<readonly Changed[]> {
    const { database, publish } = this.#context;
    const announcements: Committed[] = [];
    const changed = await this.transaction(async (tx) => {
      announcements.length = 0;
      const query = database.adapter.lockRows(find(tx.selectFrom('jobs').selectAll()), { skipLocked });
      const done: Changed[] = [];
      for (const before of await query.execute()) {
        const change = await this.#write(tx, before, await decide(before, tx), announcements);
        if (change) done.push(change);
      }
      return done;
    });
    publish(announcements);
    return changed;
  }

  async #write(
    tx: Tx,
    before: JobRow,
    decided: JobPatch | undefined,
    announcements: Committed[],
  ): Promise<Changed | undefined> {
    if (!decided) return undefined;
    const patch = this.#context.publishesStatus ? { ...decided, shown: 1 } : decided;
    await tx.updateTable('jobs').set(patch).where('seq', '=', before.seq).execute();
    const after: JobRow = { ...before, ...patch };
    if (after.status !== before.status) announcements.push(await this.announce(tx, after, after.status));
    return { before, after };
  }

  /** Puts a status change into the outbox, within the caller's transaction. */
  async announce(tx: Tx, row: JobRow, event: Committed['event']): Promise<Committed> {
    const { outbox, now } = this.#context;
    const at = now();
    let outboxSeq: number | null = null;
    if (outbox) {
      const inserted = await tx
        .insertInto('job_outbox')
        .values({ job_id: row.job_id, event, progress: row.progress, created_at: at })
        .returning('seq')
        .executeTakeFirstOrThrow();
      outboxSeq = inserted.seq;
    }
    return { job_id: row.job_id, event, progress: row.progress, at, createdAt: row.created_at, outboxSeq };
  }
}
