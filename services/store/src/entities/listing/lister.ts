/** Pages of entities. */

import type { Entity, EntityList, EntityQuery, Pagination } from '@cl-server/contract';
import { cursorCodec } from '@cl-server/kit';
import { type DatabaseAdapter, positionOf } from '@cl-server/service-kit';
import { sql } from 'kysely';
import type { Reads } from '../../database/reads.js';
import type { EntityRow, FileRow, VersionRow } from '../../database/tables.js';
import { atVersion, entityView } from '../view.js';
import { type Plan, planList } from './plan.js';
import { type Total, totalOf } from './total.js';

const cursors = cursorCodec('e');

interface Page {
  readonly rows: readonly EntityRow[];
  readonly hasMore: boolean;
}

export class EntityLister {
  constructor(
    private readonly reads: Reads,
    private readonly adapter: DatabaseAdapter,
  ) {}

  async list(query: EntityQuery): Promise<EntityList> {
    const after = query.cursor === undefined ? undefined : positionOf(cursors, query.cursor);
    const plan = await planList(this.reads, query, this.adapter);
    if (!plan) return { items: [], pagination: pagination(query, { items: 0, isEstimate: false }, NOTHING) };
    const page = await this.#page(query, plan, after);
    const total = lastOfPages(query, page) ?? (await totalOf(this.reads, query, plan));
    const shown = query.version === undefined ? page.rows : await this.#atVersion(page.rows, query.version);
    return { items: await this.#views(shown, query.exclude_deleted), pagination: pagination(query, total, page) };
  }

  /** Reads one row more than requested, which shows whether there is a next page. */
  async #page(query: EntityQuery, plan: Plan, after: number | undefined): Promise<Page> {
    const { page, page_size } = query;
    const bound = after === undefined ? sql`` : sql` and ${plan.below(after)}`;
    const skip = after === undefined ? (page - 1) * page_size : 0;
    const rows = await this.reads.all<EntityRow>(sql`
      select * from entities where id in (
        select id from (
          select ${plan.id} as id from ${plan.from} where ${plan.where}${bound}
          order by ${plan.order} limit ${page_size + 1} offset ${skip}
        ) p
      ) order by id desc`);
    return { rows: rows.slice(0, page_size), hasMore: rows.length > page_size };
  }

  async #atVersion(rows: readonly EntityRow[], version: number): Promise<EntityRow[]> {
    if (rows.length === 0) return [];
    const ids = rows.map((row) => row.id);
    const versions = await this.reads.all<VersionRow>(sql`
      select * from entity_versions where version = ${version} and entity_id in (${sql.join(ids)})`);
    const digests = [...new Set(versions.map((row) => row.sha256).filter((sha256) => sha256 !== null))];
    const files =
      digests.length === 0
        ? []
        : await this.reads.all<FileRow>(sql`select * from files where sha256 in (${sql.join(digests)})`);
    const fileOf = new Map(files.map((file) => [file.sha256, file]));
    const versionOf = new Map(versions.map((row) => [row.entity_id, row]));
    return rows.flatMap((row) => {
      const then = versionOf.get(row.id);
      return then ? [atVersion(row, then, then.sha256 === null ? undefined : fileOf.get(then.sha256))] : [];
    });
  }

  async #views(rows: readonly EntityRow[], liveOnly: boolean): Promise<Entity[]> {
    const parents = [...new Set(rows.map((row) => row.parent_id).filter((id) => id !== null))];
    const deleted = await this.#deletedAbove(parents);
    return rows.map((row) =>
      entityView(row, {
        children_count: liveOnly ? row.children_live : row.children_total,
        is_indirectly_deleted: row.parent_id !== null && deleted.has(row.parent_id),
      }),
    );
  }

  /** The collections that are deleted or lie in a deleted collection. */
  async #deletedAbove(ids: readonly number[]): Promise<ReadonlySet<number>> {
    if (ids.length === 0) return new Set();
    const rows = await this.reads.all<{ id: number }>(sql`
      with recursive up (start, parent_id, is_deleted) as (
        select id, parent_id, is_deleted from entities where id in (${sql.join(ids)})
        union select up.start, e.parent_id, e.is_deleted from up join entities e on e.id = up.parent_id
      ) select start as id from up group by start having max(is_deleted) = 1`);
    return new Set(rows.map((row) => row.id));
  }
}

/** The last page gives the total, so that nothing has to be counted. */
function lastOfPages({ page, page_size, cursor }: EntityQuery, { rows, hasMore }: Page): Total | undefined {
  const isLast = !hasMore && cursor === undefined && (rows.length > 0 || page === 1);
  return isLast ? { items: (page - 1) * page_size + rows.length, isEstimate: false } : undefined;
}

const NOTHING: Page = { rows: [], hasMore: false };

function pagination({ page, page_size, cursor }: EntityQuery, total: Total, { rows, hasMore }: Page): Pagination {
  const last = rows.at(-1);
  return {
    page,
    page_size,
    total_items: total.items,
    total_pages: Math.ceil(total.items / page_size),
    has_next: hasMore,
    has_prev: cursor !== undefined || page > 1,
    total_is_estimate: total.isEstimate,
    next_cursor: hasMore && last ? cursors.encode(last.id) : null,
  };
}
