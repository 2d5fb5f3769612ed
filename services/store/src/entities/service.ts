/** The changes that clients can make to entities: the rules of each request around the basic changes of `writer.ts`. */
import { setImmediate } from 'node:timers/promises';
import { badRequest, conflict, type HttpError, notFound, unprocessable } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { Budget } from '../database/budget.js';
import type { EntityRow, StoreTables } from '../database/tables.js';
import type { RunWrite, WriteTransaction } from '../database/transaction.js';
import { assertWithinLimits, type Limits } from '../database/usage.js';
import type { EntityChange, StoreEvents } from '../events.js';
import type { Contents, Received } from '../files/contents.js';
import { noteJobsOf } from './erase/note.js';
import { assertParent } from './hierarchy.js';
import { removeSlice } from './remove.js';
import {
  type Change,
  changeEntity,
  entityNotFound,
  findLiveBySha256,
  findRow,
  insertEntity,
  type NewEntity,
} from './writer.js';

export type User = string | null;

export interface EntityFields {
  readonly is_collection: boolean;
  readonly label?: string | undefined;
  readonly description?: string | undefined;
  readonly parent_id?: number | undefined;
}

export interface EntityPatch {
  readonly label?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly parent_id?: number | null | undefined;
  readonly is_deleted?: boolean | undefined;
}

export interface EntityServiceOptions {
  readonly db: Kysely<StoreTables>;
  readonly write: RunWrite;
  readonly contents: Contents;
  readonly events: StoreEvents;
  readonly budget: Pick<Budget, 'hold'>;
  readonly limits: Limits;
  /** Called after a commit that freed or added contents. */
  readonly onContents: () => void;
}

export interface Created {
  readonly row: EntityRow;
  /** False if a live entity already had these bytes. */
  readonly isNew: boolean;
}

const python = (value: boolean): string => (value ? 'True' : 'False');

const EMPTY = 'The media file is empty: it has no bytes';

/** A form without a chosen file sends an empty part without a name. An empty part with a name is an empty file. */
const isEmptyFile = (received: Received | undefined): boolean => received?.size === 0 && received.filename !== '';

export class EntityService {
  readonly #options: EntityServiceOptions;
  /** Entities that are being deleted permanently. */
  readonly #beingRemoved = new Set<number>();
  constructor(options: EntityServiceOptions) {
    this.#options = options;
  }

  #changed(tx: WriteTransaction, row: EntityRow, change: EntityChange): void {
    tx.afterCommit(() => this.#options.events.changed(row, change));
  }

  #newContent(tx: WriteTransaction, row: EntityRow): void {
    tx.afterCommit(() => {
      this.#options.events.newContent(row);
      this.#options.onContents();
    });
  }

  /**
   * @param claim the claim of the upload that brought the file
   * @throws HttpError 422 with the reason, 413, 507
   */
  async create(user: User, fields: EntityFields, received: Received | undefined, claim?: string): Promise<Created> {
    if (fields.is_collection && received)
      throw unprocessable('Media file should not be provided when is_collection is True');
    if (isEmptyFile(received)) throw unprocessable(EMPTY);
    if (!fields.is_collection && (!received || received.size === 0))
      throw unprocessable('Media file is required when is_collection is False');
    if (!received)
      return this.#options.write(user, async (tx) => ({ row: await this.#insert(tx, fields, undefined), isNew: true }));
    const existing = await this.#live(received.sha256);
    if (existing) return { row: existing, isNew: false };
    const add = () => this.#add(user, fields, received);
    return this.#options.budget.hold(user, received.size, add, claim);
  }

  #add(user: User, fields: EntityFields, received: Received): Promise<Created> {
    return this.#options.contents.keep(user, received, async (tx, content) => {
      const twin = await findLiveBySha256(tx, received.sha256);
      if (twin) return { row: twin, isNew: false };
      const row = await this.#insert(tx, fields, { row: await content.claim(), name: content.name });
      await assertWithinLimits(tx, this.#options.limits);
      this.#newContent(tx, row);
      return { row, isNew: true };
    });
  }

  /** Checks before an upload whether a new entity may have this parent. @throws HttpError 422 with the reason */
  assertParent(user: User, parentId: number): Promise<void> {
    return this.#options.write(user, (tx) => assertParent(tx, parentId, undefined, unprocessable));
  }

  #live(sha256: string): Promise<EntityRow | undefined> {
    return this.#options.db
      .selectFrom('entities')
      .selectAll()
      .where('sha256', '=', sha256)
      .where('is_deleted', '=', 0)
      .executeTakeFirst();
  }

  async #insert(tx: WriteTransaction, fields: EntityFields, file: NewEntity['file']): Promise<EntityRow> {
    const { is_collection, label = null, description = null, parent_id = null } = fields;
    const row = await insertEntity(tx, { is_collection, label, description, parent_id, file });
    this.#changed(tx, row, 'created');
    return row;
  }

  /** @throws HttpError 404, 400 with the reason, 409 if another live entity has these bytes */
  async replace(user: User, id: number, fields: EntityFields, received: Received | undefined): Promise<EntityRow> {
    const before = await this.#options.db.selectFrom('entities').selectAll().where('id', '=', id).executeTakeFirst();
    if (!before) throw entityNotFound();
    const wasCollection = before.is_collection === 1;
    if (wasCollection !== fields.is_collection)
      throw badRequest(
        `Cannot change is_collection from ${python(wasCollection)} to ${python(fields.is_collection)}. ` +
          'is_collection is immutable after entity creation.',
      );
    if (wasCollection && received) throw badRequest('Media file should not be provided when is_collection is True');
    if (isEmptyFile(received)) throw badRequest(EMPTY);
    const { label = null, description = null, parent_id = null } = fields;
    const change = { label, description, parent_id };
    if (!received || received.size === 0) return this.#options.write(user, (tx) => this.#replace(tx, id, change));
    const keep = () => this.#keep(user, before, change, received);
    return this.#options.budget.hold(before.added_by, Math.max(0, received.size - (before.file_size ?? 0)), keep);
  }

  #keep(user: User, before: EntityRow, change: Change, received: Received): Promise<EntityRow> {
    const { id } = before;
    return this.#options.contents.keep(user, received, async (tx, content) => {
      const twin = await findLiveBySha256(tx, received.sha256);
      if (twin && twin.id !== id)
        throw conflict(
          `File content matches existing entity ${twin.id}. Update would create a duplicate across entities.`,
          { extra: { entity_id: twin.id } },
        );
      const file = await content.claim();
      const after = await this.#replace(tx, id, { ...change, sha256: file.sha256, file_name: content.name, file });
      if ((after.file_size ?? 0) > (before.file_size ?? 0)) await assertWithinLimits(tx, this.#options.limits);
      if (after.sha256 !== before.sha256) await noteJobsOf(tx.db, [id], tx.now);
      this.#newContent(tx, after);
      return after;
    });
  }

  async #replace(tx: WriteTransaction, id: number, change: Change): Promise<EntityRow> {
    const row = await changeEntity(tx, await findRow(tx, id), change, 'update', badRequest);
    this.#changed(tx, row, 'updated');
    return row;
  }

  /** @throws HttpError 404, 422 with the reason, 409 if restoring would make a duplicate */
  patch(user: User, id: number, { is_deleted, ...fields }: EntityPatch): Promise<EntityRow> {
    return this.#options.write(user, async (tx) => {
      const before = await findRow(tx, id);
      const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
      const deleted = is_deleted === undefined ? before.is_deleted : Number(is_deleted);
      this.#assertNotBeingRemoved(before, deleted);
      const turned = deleted !== before.is_deleted;
      const operation = !turned ? 'update' : deleted === 1 ? 'delete' : 'undelete';
      const row = await changeEntity(tx, before, { ...given, is_deleted: deleted }, operation, unprocessable);
      this.#changed(tx, row, !turned ? 'updated' : deleted === 1 ? 'deleted' : 'restored');
      return row;
    });
  }

  /** @throws HttpError 404, 409, 422 */
  restore(user: User, id: number, version: number): Promise<EntityRow> {
    return this.#options.write(user, async (tx) => {
      const before = await findRow(tx, id);
      const then = await tx.db
        .selectFrom('entity_versions')
        .selectAll()
        .where('entity_id', '=', id)
        .where('version', '=', version)
        .executeTakeFirst();
      if (!then) throw versionMissing(id, version);
      const { label, description, parent_id, is_deleted, sha256, file_name } = then;
      this.#assertNotBeingRemoved(before, is_deleted);
      const file =
        sha256 === null
          ? undefined
          : await tx.db.selectFrom('files').selectAll().where('sha256', '=', sha256).executeTakeFirst();
      const change = { label, description, parent_id, is_deleted, sha256, file_name, file };
      const row = await changeEntity(tx, before, change, 'restore', unprocessable);
      this.#changed(
        tx,
        row,
        row.is_deleted === before.is_deleted ? 'updated' : row.is_deleted ? 'deleted' : 'restored',
      );
      if (row.sha256 !== before.sha256) {
        await noteJobsOf(tx.db, [id], tx.now);
        this.#newContent(tx, row);
      }
      return row;
    });
  }

  /** Deletes an entity and its descendants permanently. @throws HttpError 404, 400 if it is not in the trash */
  async remove(user: User, id: number): Promise<{ readonly entities: number; readonly bytes: number }> {
    const removed = { entities: 0, bytes: 0 };
    this.#beingRemoved.add(id);
    try {
      for (;;) {
        const { ids, bytes, isLast } = await this.#options.write(user, (tx) => removeSlice(tx, id));
        for (const gone of ids) this.#options.events.removed(gone);
        removed.entities += ids.length;
        removed.bytes += bytes;
        if (isLast) return removed;
        // Other requests run between two slices.
        await setImmediate();
      }
    } finally {
      this.#beingRemoved.delete(id);
      this.#options.onContents();
    }
  }

  /** An entity that is being removed in slices cannot be restored. @throws HttpError 409 */
  #assertNotBeingRemoved(before: EntityRow, deleted: number): void {
    if (before.is_deleted === 1 && deleted === 0 && this.#beingRemoved.has(before.id))
      throw conflict(`Entity ${before.id} is being deleted permanently`, { code: 'being_removed' });
  }
}

const versionMissing = (id: number, version: number): HttpError =>
  notFound(`Entity ${id} version ${version} not found`);
