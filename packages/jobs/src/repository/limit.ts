import type { DatabaseAdapter } from '@cl-server/service-kit';
import type { Tx } from './changes.js';

/**
 * Whether a creator has as many queued jobs as allowed, counted under the lock that creation takes too.
 * @returns how many, or undefined where one more is allowed
 */
export async function limitReached(
  tx: Tx,
  adapter: DatabaseAdapter,
  creator: string | null,
  maxQueued: number | undefined,
): Promise<number | undefined> {
  if (maxQueued === undefined) return undefined;
  await adapter.lock(tx, `jobs:${creator ?? ''}`);
  const { queued } = await tx
    .selectFrom('jobs')
    .select((eb) => eb.fn.countAll<number>().as('queued'))
    .where('created_by', creator === null ? 'is' : '=', creator)
    .where('status', '=', 'queued')
    .executeTakeFirstOrThrow();
  return Number(queued) >= maxQueued ? Number(queued) : undefined;
}
