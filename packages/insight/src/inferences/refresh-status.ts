import { FACE_DETECTION } from '../built-in/face-detection.js';
import type { InsightTransaction } from '../port.js';
import { failureText, overallStatus } from './status.js';

/** Writes the state of an entity, the sum of its inferences, in the transaction that changed them. */
export async function refreshStatus(
  db: InsightTransaction,
  entity: { readonly entityId: number; readonly sha256: string; readonly version: number; readonly now: number },
): Promise<void> {
  const { entityId, sha256, version, now } = entity;
  const inferences = await db
    .selectFrom('inferences')
    .select(['status', 'task_type', 'error_message'])
    .where('entity_id', '=', entityId)
    .execute();
  const detected = inferences.some(({ task_type, status }) => task_type === FACE_DETECTION && status === 'completed');
  const { faces } = await db
    .selectFrom('faces')
    .select((eb) => eb.fn.countAll<number>().as('faces'))
    .where('entity_id', '=', entityId)
    .executeTakeFirstOrThrow();
  const row = {
    sha256,
    entity_version: version,
    status: overallStatus(inferences),
    face_count: detected ? Number(faces) : null,
    error_message: failureText(inferences),
    updated_at: now,
  };
  await db
    .insertInto('insights')
    .values({ entity_id: entityId, ...row })
    .onConflict((conflict) => conflict.column('entity_id').doUpdateSet(row))
    .execute();
}

/** Does the same for an entity whose row exists already. */
export async function refreshKnown(db: InsightTransaction, entityId: number, now: number): Promise<void> {
  const known = await db
    .selectFrom('insights')
    .select(['sha256', 'entity_version'])
    .where('entity_id', '=', entityId)
    .executeTakeFirst();
  if (known) await refreshStatus(db, { entityId, sha256: known.sha256, version: known.entity_version, now });
}
