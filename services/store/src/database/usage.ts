/** How much each user keeps: exact, because it is counted in the transactions that change it. */
import { HttpError } from '@cl-server/runtime';
import { sql } from 'kysely';
import type { WriteTransaction } from './transaction.js';

export interface Limits {
  /** Bytes that one user's entities may have; 0 is no limit. */
  readonly userBytes: number;
  /** Bytes of all different contents; 0 is no limit. */
  readonly totalBytes: number;
}

/** Stands for entities that nobody is known to have added. */
const NOBODY = '';

/** @param bytes and @param entities are differences */
export async function countUse(
  { db }: WriteTransaction,
  user: string | null,
  entities: number,
  bytes: number,
): Promise<void> {
  if (entities === 0 && bytes === 0) return;
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

/**
 * Looks at the limits after the change, in its transaction: parallel uploads cannot pass them together.
 * @throws HttpError 413 for the user's share, 507 for the whole
 */
export async function assertWithinLimits({ db }: WriteTransaction, user: string | null, limits: Limits): Promise<void> {
  if (limits.userBytes > 0) {
    const row = await db
      .selectFrom('usage')
      .select('bytes')
      .where('user_id', '=', user ?? NOBODY)
      .executeTakeFirst();
    if (row && row.bytes > limits.userBytes)
      throw new HttpError(
        413,
        `Your share of the storage is ${megabytes(limits.userBytes)}, and this file would exceed it: remove something first`,
        { code: 'quota_exceeded' },
      );
  }
  if (limits.totalBytes > 0) {
    const row = await db.selectFrom('store_counters').select('value').where('name', '=', 'bytes').executeTakeFirst();
    if (row && row.value > limits.totalBytes)
      throw new HttpError(507, `The store is full: its limit is ${megabytes(limits.totalBytes)}`, {
        code: 'storage_full',
      });
  }
}
