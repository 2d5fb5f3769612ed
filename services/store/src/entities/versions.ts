/** The versions of entities: every change appends the new state. */
import type { FieldChange } from '@cl-server/contract';
import type { EntityRow, EntityState, VersionOperation } from '../database/tables.js';
import type { WriteTransaction } from '../database/transaction.js';
import { entityView } from './view.js';

const STATE_KEYS = [
  'label',
  'description',
  'parent_id',
  'is_deleted',
  'sha256',
  'file_name',
] as const satisfies readonly (keyof EntityState)[];

export function stateOf(row: EntityState): EntityState {
  const { label, description, parent_id, is_deleted, sha256, file_name } = row;
  return { label, description, parent_id, is_deleted, sha256, file_name };
}

const changedKeys = (before: EntityState | undefined, after: EntityState): string[] =>
  STATE_KEYS.filter((key) => (before ? before[key] !== after[key] : after[key] !== null && after[key] !== 0));

export async function appendVersion(
  tx: WriteTransaction,
  { id, version }: Pick<EntityRow, 'id' | 'version'>,
  before: EntityState | undefined,
  after: EntityState,
  operation: VersionOperation,
): Promise<void> {
  await tx.db
    .insertInto('entity_versions')
    .values({
      ...stateOf(after),
      entity_id: id,
      version,
      transaction_id: await tx.transactionId(),
      changed_at: tx.now,
      changed_by: tx.actor,
      operation,
      changed_fields: changedKeys(before, after).join(','),
    })
    .execute();
}

/** Keys that describe the change itself. */
const NOT_COMPARED = new Set(['updated_date', 'updated_by', 'version', 'children_count', 'is_indirectly_deleted']);

/** The keys that differ between two versions of an entity. */
export function differences(from: EntityRow, to: EntityRow): FieldChange[] {
  const around = { children_count: 0, is_indirectly_deleted: false };
  const before: Record<string, unknown> = entityView(from, around);
  const after: Record<string, unknown> = entityView(to, around);
  return Object.keys(after)
    .filter((key) => !NOT_COMPARED.has(key) && before[key] !== after[key])
    .map((field) => ({ field, from: before[field], to: after[field] }));
}
