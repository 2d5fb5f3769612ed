/**
 * The storage that each user uses: inputs and results of jobs (summed by triggers), entities (reported by the store, which may
 * have another database), and claims: bytes of streams, and bytes on their way that will become one of the others, such as
 * unfinished uploads.
 * A user's row is locked while it is compared with a limit, so that services together cannot pass it.
 */
import type { Database } from '@cl-server/service-kit';
import { sql } from 'kysely';
import { retryDeadlocks } from './queue/postgres.js';
import type { Tx } from './queue/update.js';
import type { JobTables, UsageRow } from './tables.js';

export interface UsageClaim {
  readonly id: string;
  /** Null: guests. */
  readonly user: string | null;
  readonly bytes: number;
  readonly expiresAt: number;
}
/** Begins the names of claims for streams; all others are of unfinished uploads and of files that become entities. */
export const STREAM_CLAIMS = 'stream:';

export type ClaimedSpace = { readonly ok: true } | { readonly ok: false; readonly used: number };

export interface UserUsage {
  /** Null: guests. */
  readonly user: string | null;
  readonly input_bytes: number;
  readonly result_bytes: number;
  readonly upload_bytes: number;
  readonly stream_bytes: number;
}

/** The storage that users use for jobs, entities, uploads and streams. */
export interface Usage {
  /** Takes bytes that are about to arrive into the user's sum; a claim of the same id is replaced. Of 0 bytes it always holds. */
  claim(claim: UsageClaim, maxBytes: number): Promise<ClaimedSpace>;
  /**
   * Stores what the user's entities take, and ends the claim for what has become one.
   * @param entityBytes reads the sum; runs in the transaction, which is the entities' own where they share one SQLite file
   */
  saveEntityBytes(user: string | null, entityBytes: (tx: Tx) => Promise<number>, claim?: string): Promise<void>;
  release(claim: string): Promise<void>;
  /** Names of claims that begin with `prefix`. */
  claims(prefix: string): Promise<readonly string[]>;
  list(): Promise<readonly UserUsage[]>;
}

/** Stands for the guests, who share one budget. */
const NOBODY = '';
const MAX_LISTED = 1_000;
const MEASURE_BATCH_SIZE = 200;

export interface UsageOptions {
  readonly database: Database<JobTables>;
  readonly storage: {
    inputSize(jobId: string): Promise<number>;
    attemptSize(jobId: string, attempt: number): Promise<number>;
  };
  readonly now: () => number;
}

const ofStreams = sql<number>`case when id like ${sql.lit(`${STREAM_CLAIMS}%`)} then 1 else 0 end`;

const sumOf = (row: UsageRow): number => row.input_bytes + row.result_bytes + row.entity_bytes;

export class SqlUsage implements Usage {
  readonly #options: UsageOptions;

  constructor(options: UsageOptions) {
    this.#options = options;
  }

  claim({ id, user, bytes, expiresAt }: UsageClaim, maxBytes: number): Promise<ClaimedSpace> {
    return this.#transaction(async (tx) => {
      const row = await this.#lock(tx, user ?? NOBODY);
      const used = sumOf(row) + (await this.#claimed(tx, row.user_id, id));
      if (bytes > 0 && used + bytes > maxBytes) return { ok: false, used };
      const claim = { id, user_id: row.user_id, bytes, expires_at: expiresAt };
      await tx
        .insertInto('usage_claims')
        .values(claim)
        .onConflict((conflict) =>
          conflict.column('id').doUpdateSet({ user_id: row.user_id, bytes, expires_at: expiresAt }),
        )
        .execute();
      return { ok: true };
    });
  }

  saveEntityBytes(user: string | null, entityBytes: (tx: Tx) => Promise<number>, claim?: string): Promise<void> {
    return this.#transaction(async (tx) => {
      const { user_id } = await this.#lock(tx, user ?? NOBODY);
      // Read under the lock: of two that are saved at once, the later one reads the newer sum.
      const entity_bytes = await entityBytes(tx);
      await tx.updateTable('job_usage').set({ entity_bytes }).where('user_id', '=', user_id).execute();
      if (claim !== undefined) await tx.deleteFrom('usage_claims').where('id', '=', claim).execute();
    });
  }

  async release(claim: string): Promise<void> {
    await this.#options.database.kysely.deleteFrom('usage_claims').where('id', '=', claim).execute();
  }

  async claims(prefix: string): Promise<readonly string[]> {
    const query = this.#options.database.kysely.selectFrom('usage_claims').select('id');
    return (await query.where('id', 'like', `${prefix}%`).execute()).map(({ id }) => id);
  }

  async list(): Promise<readonly UserUsage[]> {
    const { database, now } = this.#options;
    const [rows, claims] = await Promise.all([
      database.kysely.selectFrom('job_usage').selectAll().limit(MAX_LISTED).execute(),
      database.kysely
        .selectFrom('usage_claims')
        .select((eb) => ['user_id', ofStreams.as('of_streams'), eb.fn.sum<number>('bytes').as('bytes')])
        .where('expires_at', '>', now())
        .groupBy(['user_id', ofStreams])
        .limit(2 * MAX_LISTED)
        .execute(),
    ]);
    const claimed = (user: string, streams: number): number =>
      Number(claims.find(({ user_id, of_streams }) => user_id === user && of_streams === streams)?.bytes ?? 0);
    return rows.map(({ user_id, input_bytes, result_bytes }) => ({
      user: user_id === NOBODY ? null : user_id,
      input_bytes,
      result_bytes,
      upload_bytes: claimed(user_id, 0),
      stream_bytes: claimed(user_id, 1),
    }));
  }

  /** Looks at files of jobs that were made before sums were kept, and forgets claims that were not renewed. @returns how many jobs */
  async measure(): Promise<number> {
    const { database, storage, now } = this.#options;
    const { kysely } = database;
    await kysely.deleteFrom('usage_claims').where('expires_at', '<=', now()).execute();
    let measured = 0;
    for (;;) {
      const rows = await kysely
        .selectFrom('jobs')
        .select(['seq', 'job_id', 'committed_attempt'])
        .where('input_bytes', 'is', null)
        .orderBy('seq')
        .limit(MEASURE_BATCH_SIZE)
        .execute();
      for (const { seq, job_id, committed_attempt } of rows) {
        const input_bytes = await storage.inputSize(job_id);
        const results = committed_attempt === null ? null : await storage.attemptSize(job_id, committed_attempt);
        await kysely
          .updateTable('jobs')
          .set((eb) => ({
            input_bytes,
            ...(results !== null && { result_bytes: eb.fn.coalesce('result_bytes', eb.val(results)) }),
          }))
          .where('seq', '=', seq)
          .where('input_bytes', 'is', null)
          .execute();
      }
      measured += rows.length;
      if (rows.length < MEASURE_BATCH_SIZE) return measured;
    }
  }

  #transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return retryDeadlocks(() => this.#options.database.kysely.transaction().execute(work));
  }

  /** Makes the row where there is none. Writing to it is the lock, in both dialects. */
  #lock(tx: Tx, user_id: string): Promise<UsageRow> {
    return tx
      .insertInto('job_usage')
      .values({ user_id })
      .onConflict((conflict) => conflict.column('user_id').doUpdateSet({ user_id }))
      .returningAll()
      .executeTakeFirstOrThrow();
  }

  async #claimed(tx: Tx, user_id: string, except: string): Promise<number> {
    const row = await tx
      .selectFrom('usage_claims')
      .select((eb) => eb.fn.sum<number | null>('bytes').as('bytes'))
      .where('user_id', '=', user_id)
      .where('id', '<>', except)
      .where('expires_at', '>', this.#options.now())
      .executeTakeFirst();
    return Number(row?.bytes ?? 0);
  }
}
