/** Changes of entities. Each function runs inside one write transaction, adds a version and maintains the counts. */
import { conflict, type HttpError, notFound, unprocessable } from '@cl-server/service-kit';
import { factsOf, NO_FACTS } from '../database/facts.js';
import type { EntityRow, EntityState, FileRow, VersionOperation } from '../database/tables.js';
import type { WriteTransaction } from '../database/transaction.js';
import { countUse } from '../database/usage.js';
import { assertParent, type Refuse } from './hierarchy.js';
import { saveSearchText } from './listing/search-texts.js';

export interface NewEntity {
  readonly is_collection: boolean;
  readonly label: string | null;
  readonly description: string | null;
  readonly parent_id: number | null;
  /** The content of a media entity and the file name of its upload. */
  readonly file?: { readonly row: FileRow; readonly name: string } | undefined;
}

export const entityNotFound = (): HttpError => notFound('Entity not found');

export async function findRow(tx: WriteTransaction, id: number): Promise<EntityRow> {
  const row = await tx.db.selectFrom('entities').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) throw entityNotFound();
  return row;
}

/** The live entity that has these bytes. */
export const findLiveBySha256 = (tx: WriteTransaction, sha256: string): Promise<EntityRow | undefined> =>
  tx.db.selectFrom('entities').selectAll().where('sha256', '=', sha256).where('is_deleted', '=', 0).executeTakeFirst();

/** Never earlier than the date of the newest entity, so that ids and dates have the same order even if the clock is set back. */
async function addedDate({ db, now }: WriteTransaction): Promise<number> {
  const newest = await db.selectFrom('entities').select('added_date').orderBy('id', 'desc').limit(1).executeTakeFirst();
  return Math.max(now, newest?.added_date ?? 0);
}

/** The caller checks for duplicates. @throws HttpError 422 if the entity cannot have this parent */
export async function insertEntity(tx: WriteTransaction, entity: NewEntity): Promise<EntityRow> {
  const { file } = entity;
  if (entity.parent_id !== null) await assertParent(tx, entity.parent_id, undefined, unprocessable);
  const added = await addedDate(tx);
  const row = await tx.db
    .insertInto('entities')
    .values({
      ...NO_FACTS,
      ...(file && factsOf(file.row)),
      is_collection: entity.is_collection ? 1 : 0,
      label: entity.label,
      description: entity.description,
      parent_id: entity.parent_id,
      is_deleted: 0,
      sha256: file?.row.sha256 ?? null,
      file_name: file?.name ?? null,
      file_path: file?.row.path ?? null,
      added_date: added,
      added_by: tx.actor,
      updated_date: added,
      updated_by: tx.actor,
      version: 1,
      deleted_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await saveSearchText(tx, [row]);
  await recount(tx, undefined, row);
  await appendVersion(tx, row, undefined, row, 'create');
  return row;
}

export interface Change extends Partial<EntityState> {
  /** The row of `sha256`, if that changes. */
  readonly file?: FileRow | undefined;
}

/**
 * Gives an entity a new state as a new version.
 * @throws HttpError 409 if two live entities would have the same bytes; the error made by `refuse` for an invalid parent
 */
export async function changeEntity(
  tx: WriteTransaction,
  before: EntityRow,
  { file, ...change }: Change,
  operation: VersionOperation,
  refuse: Refuse,
): Promise<EntityRow> {
  const after: EntityState = { ...stateOf(before), ...change };
  if (after.parent_id !== null && after.parent_id !== before.parent_id)
    await assertParent(tx, after.parent_id, before.id, refuse);
  const revived = before.is_deleted === 1 && after.is_deleted === 0;
  if (after.sha256 !== null && after.is_deleted === 0 && (revived || after.sha256 !== before.sha256)) {
    const other = await findLiveBySha256(tx, after.sha256);
    if (other && other.id !== before.id)
      throw conflict(`Entity ${other.id} has the same file content: delete it first, or keep using it`, {
        extra: { entity_id: other.id },
      });
  }
  const contentChanged = after.sha256 !== before.sha256;
  const row = await tx.db
    .updateTable('entities')
    .set({
      ...after,
      ...(contentChanged && { ...NO_FACTS, ...(file && factsOf(file)), file_path: file?.path ?? null }),
      updated_date: tx.now,
      updated_by: tx.actor,
      version: before.version + 1,
      deleted_at: after.is_deleted === 1 ? (before.deleted_at ?? tx.now) : null,
    })
    .where('id', '=', before.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  if (row.label !== before.label || row.file_name !== before.file_name) await saveSearchText(tx, [row]);
  await recount(tx, before, row);
  await appendVersion(tx, row, before, row, operation);
  return row;
}

const STATE_KEYS = [
  'label',
  'description',
  'parent_id',
  'is_deleted',
  'sha256',
  'file_name',
] as const satisfies readonly (keyof EntityState)[];

function stateOf(row: EntityState): EntityState {
  const { label, description, parent_id, is_deleted, sha256, file_name } = row;
  return { label, description, parent_id, is_deleted, sha256, file_name };
}

const changedKeys = (before: EntityState | undefined, after: EntityState): string[] =>
  STATE_KEYS.filter((key) => (before ? before[key] !== after[key] : after[key] !== null && after[key] !== 0));

async function appendVersion(
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

/** The columns that decide in which counts an entity is included. */
type Counted = Pick<EntityRow, 'parent_id' | 'is_deleted' | 'added_by' | 'file_size'>;

async function countAt(tx: WriteTransaction, { parent_id, is_deleted }: Counted, by: 1 | -1): Promise<void> {
  const live = is_deleted === 1 ? 0 : by;
  if (parent_id === null) {
    await tx.count('roots', by);
    await tx.count('roots_live', live);
    return;
  }
  await tx.db
    .updateTable('entities')
    .set((eb) => ({
      children_total: eb('children_total', '+', by),
      children_live: eb('children_live', '+', live),
    }))
    .where('id', '=', parent_id)
    .execute();
}

/** @param from absent for a new entity @param to absent for an entity that is removed */
export async function recount(tx: WriteTransaction, from: Counted | undefined, to: Counted | undefined): Promise<void> {
  const entities = (to ? 1 : 0) - (from ? 1 : 0);
  await countUse(tx, (to ?? from)?.added_by ?? null, entities, (to?.file_size ?? 0) - (from?.file_size ?? 0));
  if (from && to && from.parent_id === to.parent_id && from.is_deleted === to.is_deleted) return;
  if (from) await countAt(tx, from, -1);
  if (to) await countAt(tx, to, 1);
  await tx.count('entities', entities);
  await tx.count('entities_live', (to?.is_deleted === 0 ? 1 : 0) - (from?.is_deleted === 0 ? 1 : 0));
}
