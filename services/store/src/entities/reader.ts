/** Reads single entities. Reading by id is the most frequent query of the store, so it is a prepared statement. */
import type { Entity, EntityMetadata, EntityVersion } from '@cl-server/contract';
import { badRequest, conflict, type Database, type HttpError, notFound } from '@cl-server/service-kit';
import { type Kysely, sql } from 'kysely';
import type { Reads } from '../database/reads.js';
import type { EntityRow, FileRow, StoreTables, VersionRow } from '../database/tables.js';
import { atVersion, entityView, versionView } from './view.js';
import { entityNotFound } from './writer.js';

const versionNotFound = (id: number, version: number): HttpError =>
  notFound(`Entity ${id} version ${version} not found`);

/** True if a collection above is deleted. `start` is the first parent. */
const DELETED_ABOVE = `
  with recursive up (parent_id, is_deleted) as (
    select parent_id, is_deleted from entities where id = ?
    union select e.parent_id, e.is_deleted from entities e join up on e.id = up.parent_id
  ) select max(is_deleted) as deleted from up`;

interface HotQueries {
  row(id: number): Promise<EntityRow | undefined>;
  deletedAbove(parentId: number): Promise<boolean>;
}

function hotQueries({ adapter }: Database<StoreTables>): HotQueries {
  const above = adapter.prepareRow<{ deleted: number | null }, [number]>('deleted_above', DELETED_ABOVE);
  return {
    row: adapter.prepareRow<EntityRow, [number]>('entity_by_id', 'select * from entities where id = ?'),
    deletedAbove: async (parentId) => (await above(parentId))?.deleted === 1,
  };
}

export class EntityReader {
  readonly #hot: HotQueries;
  readonly #db: Kysely<StoreTables>;

  constructor(
    database: Database<StoreTables>,
    private readonly reads: Reads,
  ) {
    this.#hot = hotQueries(database);
    this.#db = database.kysely;
  }

  /**
   * @param version the version to read; absent: the newest one
   * @throws HttpError 404
   */
  async row(id: number, version?: number): Promise<EntityRow> {
    const row = await this.#hot.row(id);
    if (version !== undefined) return this.#rowAt(id, row, version);
    if (!row) throw entityNotFound();
    return row;
  }

  /** Undefined if there is no such entity. */
  find(id: number): Promise<EntityRow | undefined> {
    return this.#hot.row(id);
  }

  /** Whether the entity or a collection above is deleted. */
  async isInTrash(row: Pick<EntityRow, 'is_deleted' | 'parent_id'>): Promise<boolean> {
    return row.is_deleted === 1 || (await this.#isDeletedAbove(row));
  }

  async view(row: EntityRow): Promise<Entity> {
    return entityView(row, {
      children_count: row.children_live,
      is_indirectly_deleted: await this.#isDeletedAbove(row),
    });
  }

  async #isDeletedAbove({ parent_id }: Pick<EntityRow, 'parent_id'>): Promise<boolean> {
    return parent_id !== null && (await this.#hot.deletedAbove(parent_id));
  }

  async #rowAt(id: number, row: EntityRow | undefined, version: number): Promise<EntityRow> {
    const then = row && (await this.version(id, version));
    if (!row || !then) throw versionNotFound(id, version);
    return atVersion(row, then, then.sha256 === null ? undefined : await this.file(then.sha256));
  }

  version(id: number, version: number): Promise<VersionRow | undefined> {
    return this.#db
      .selectFrom('entity_versions')
      .selectAll()
      .where('entity_id', '=', id)
      .where('version', '=', version)
      .executeTakeFirst();
  }

  file(sha256: string): Promise<FileRow | undefined> {
    return this.#db.selectFrom('files').selectAll().where('sha256', '=', sha256).executeTakeFirst();
  }

  /** @throws HttpError 404, 400 for a collection */
  async metadata(id: number, version?: number): Promise<EntityMetadata> {
    const row = await this.row(id, version);
    if (row.sha256 === null) throw badRequest('Entity is a collection');
    const file = await this.file(row.sha256);
    return {
      entity_id: id,
      status: file?.tags_status ?? 'failed',
      error: row.metadata_error,
      tags: JSON.parse(file?.tags ?? '{}') as Record<string, unknown>,
    };
  }

  /** Oldest first. @throws HttpError 404 */
  async versions(id: number, after: number, limit: number | undefined): Promise<EntityVersion[]> {
    const rows = await this.reads.all<VersionRow>(sql`
      select * from entity_versions where entity_id = ${id} and version > ${after}
      order by version limit ${limit ?? Number.MAX_SAFE_INTEGER}`);
    if (rows.length === 0 && !(await this.#hot.row(id))) throw notFound('Entity not found or no versions available');
    return rows.map(versionView);
  }

  /**
   * Finds the only live entity with a digest, or the only live collection with a label.
   * @throws HttpError 404 if there is none, 409 if there are several
   */
  async lookup(by: {
    md5?: string | undefined;
    sha256?: string | undefined;
    label?: string | undefined;
  }): Promise<EntityRow> {
    let query = this.#db.selectFrom('entities').selectAll().where('is_deleted', '=', 0).limit(1_000);
    if (by.sha256 !== undefined) query = query.where('sha256', '=', by.sha256.toLowerCase());
    else if (by.md5 !== undefined) query = query.where('md5', '=', by.md5.toLowerCase());
    else query = query.where('label', '=', by.label ?? '').where('is_collection', '=', sql.lit(1));
    const [first, ...more] = await query.execute();
    if (!first) throw notFound('No matching entity found');
    if (more.length > 0) throw conflict(`Multiple matches found (${more.length + 1} entities). Data integrity issue.`);
    return first;
  }
}
