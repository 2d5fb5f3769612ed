/** The filters of a list, each as a condition that one index can answer. */
import type { EntityQuery } from '@cl-server/contract';
import type { DatabaseAdapter } from '@cl-server/service-kit';
import { type RawBuilder, sql } from 'kysely';
import { type Condition, ENTITIES } from './condition.js';
import { foldQuery } from './fold.js';
import { textCondition } from './text-condition.js';

export function conditionsOf(query: EntityQuery, adapter: DatabaseAdapter): Condition[] {
  const condition = (make: (column: RawBuilder<unknown>) => RawBuilder<unknown>, name: string): Condition => ({
    indexed: make(sql`e.${sql.id(name)}`),
    plain: make(adapter.withoutIndex(sql`e.${sql.id(name)}`)),
    from: ENTITIES,
    ordered: true,
    walked: false,
  });
  const equal = (name: string, value: string | number | undefined): Condition | undefined =>
    value === undefined ? undefined : condition((column) => sql`${column} = ${value}`, name);

  const parent = (id: number | undefined): Condition | undefined =>
    id === 0 ? condition((column) => sql`${column} is null`, 'parent_id') : equal('parent_id', id);

  const size = (min: number | undefined, max: number | undefined): Condition | undefined => {
    if (min === undefined && max === undefined) return undefined;
    const range = (column: RawBuilder<unknown>) =>
      sql`${column} between ${min ?? 0} and ${max ?? Number.MAX_SAFE_INTEGER}`;
    return { ...condition(range, 'file_size'), ordered: false };
  };

  const search = (asked: string | undefined): Condition | undefined => {
    const text = foldQuery(asked ?? '');
    return text === '' ? undefined : textCondition(text, adapter);
  };

  return [
    equal('sha256', query.sha256?.toLowerCase()),
    equal('md5', query.md5?.toLowerCase()),
    parent(query.parent_id),
    search(query.search_query),
    equal('width', query.width),
    equal('height', query.height),
    equal('mime_type', query.mime_type),
    equal('type', query.type),
    size(query.file_size_min, query.file_size_max),
    equal('is_collection', query.is_collection === undefined ? undefined : Number(query.is_collection)),
    equal('is_deleted', query.only_deleted ? 1 : query.exclude_deleted ? 0 : undefined),
  ].filter((one) => one !== undefined);
}
