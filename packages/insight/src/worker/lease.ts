/** A lease: a row with a time limit that lets one process at a time do some work. */
import type { InsightDatabase } from '../port.js';

/** The lease of the active insight worker. */
export const INSIGHT_LEASE = 'm-insight';

/**
 * Takes or keeps a lease.
 * @returns whether it is the holder's for the next `length` milliseconds
 */
export async function holdLease(
  db: InsightDatabase,
  lease: { readonly name: string; readonly holder: string; readonly now: number; readonly length: number },
): Promise<boolean> {
  const { name, holder, now, length } = lease;
  const row = await db
    .insertInto('leases')
    .values({ name, holder, until: now + length })
    .onConflict((conflict) =>
      conflict
        .column('name')
        .doUpdateSet({ holder, until: now + length })
        .where((eb) => eb.or([eb('leases.holder', '=', holder), eb('leases.until', '<', now)])),
    )
    .returning('holder')
    .executeTakeFirst();
  return row?.holder === holder;
}

/** Milliseconds since 1970; undefined if no process holds it. */
export async function leaseEnd(db: InsightDatabase, name: string): Promise<number | undefined> {
  const row = await db.selectFrom('leases').select('until').where('name', '=', name).executeTakeFirst();
  return row?.until;
}

export async function dropLease(db: InsightDatabase, name: string, holder: string): Promise<void> {
  await db.deleteFrom('leases').where('name', '=', name).where('holder', '=', holder).execute();
}
