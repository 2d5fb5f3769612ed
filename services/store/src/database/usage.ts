/** The storage that each user takes. It is exact, because it is counted in the transactions that change it. */
import { HttpError } from '@cl-server/service-kit';
import { type Kysely, sql } from 'kysely';
import type { StoreTables } from './tables.js';
import type { WriteTransaction } from './transaction.js';

export interface Limits {
  /** Bytes of the entities, jobs and uploads that one user may have; 0 is no limit. */
  readonly userBytes: number;
  /** Bytes of all contents together; 0 is no limit. */
  readonly totalBytes: number;
}

/** Stands for the owner of entities that were added by an unknown user. */
const NOBODY = '';

/** @param bytes and @param entities are differences */
export async function countUse(
  { db, countedUse }: WriteTransaction,
  user: string | null,
  entities: number,
  bytes: number,
): Promise<void> {
  if (entities === 0 && bytes === 0) return;
  if (bytes !== 0) countedUse(user);
  await db
    .insertInto('usage')
    .values({ user_id: user ?? NOBODY, entities, bytes })
    .onConflict((conflict) =>
      conflict.column('user_id').doUpdateSet({
        entities: sql`usage.entities + excluded.entities`,
        bytes: sql`usage.bytes + excluded.bytes`,
      }),
    )
    .execute();
}

export const userOfUsage = (userId: string): string | null => (userId === NOBODY ? null : userId);

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`;

/** The bytes that a user's entities take. */
export async function userBytes(db: Kysely<StoreTables>, user: string | null): Promise<number> {
  const row = await db
    .selectFrom('usage')
    .select('bytes')
    .where('user_id', '=', user ?? NOBODY)
    .executeTakeFirst();
  return row?.bytes ?? 0;
}

/**
 * Checks the total limit after the change, in the same transaction, so that parallel uploads cannot exceed it together.
 * @throws HttpError 507
 */
export async function assertWithinLimits({ db }: WriteTransaction, limits: Limits): Promise<void> {
  if (limits.totalBytes > 0) {
    const row = await db.selectFrom('store_counters').select('value').where('name', '=', 'bytes').executeTakeFirst();
    if (row && row.value > limits.totalBytes)
      throw new HttpError(507, `The store is full: its limit is ${megabytes(limits.totalBytes)}`, {
        code: 'storage_full',
      });
  }
}
