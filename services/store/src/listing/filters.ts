/** The filters of a list, each as a condition that one index can answer. */
import type { EntityQuery } from '@cl-server/contract';
import type { SqlDialect } from '@cl-server/service-kit';
import { type RawBuilder, sql } from 'kysely';
import { foldQuery } from './fold.js';

/** Where the rows of a list come from; `e` is always `entities`. */
export const ENTITIES = sql`entities e`;

/** One condition on `e`. */
export interface Condition {
  /** With which its index can be used. */
  readonly indexed: RawBuilder<unknown>;
  /** The same, not to be answered by its index, because another one drives. PostgreSQL decides that by itself. */
  readonly plain: RawBuilder<unknown>;
  /** What to read from where this condition drives. */
  readonly from: RawBuilder<unknown>;
  /** The same where it is the only condition, if then the entities need not be looked at. */
  readonly alone?: RawBuilder<unknown>;
  /** True where the index gives the matches in the order of ids; otherwise they must be sorted. */
  readonly ordered: boolean;
  /** True where no index answers it: the text of each entity is looked at, newest first. */
  readonly walked: boolean;
}

const likePattern = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`;

/** Letters that make a trigram; shorter texts are in no index. */
const TRIGRAM = 3;

export function conditionsOf(query: EntityQuery, dialect: SqlDialect): Condition[] {
  const sqlite = dialect === 'sqlite';
  const condition = (make: (column: RawBuilder<unknown>) => RawBuilder<unknown>, name: string): Condition => ({
    indexed: make(sql`e.${sql.id(name)}`),
    plain: make(sqlite ? sql`+e.${sql.id(name)}` : sql`e.${sql.id(name)}`),
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
    if (text === '') return undefined;
    const has = (contains: RawBuilder<unknown>) =>
      sql`exists (select 1 from entity_search s where s.id = e.id and ${contains})`;
    if (!sqlite) return condition(() => has(sql`s.text like ${likePattern(text)}`), 'id');
    const plain = has(sql`instr(s.text, ${text}) > 0`);
    if ([...text].length < TRIGRAM)
      return {
        indexed: sql`instr(f.text, ${text}) > 0`,
        plain,
        from: sql`entity_search f cross join entities e on e.id = f.rowid`,
        alone: sql`entity_search f`,
        ordered: true,
        walked: true,
      };
    return {
      indexed: sql`entity_texts match ${`"${text.replaceAll('"', '""')}"`}`,
      plain,
      // The full-text index gives its rows by id; `cross join` keeps it the outer loop.
      from: sql`entity_texts f cross join entities e on e.id = f.rowid`,
      alone: sql`entity_texts f`,
      ordered: true,
      walked: false,
    };
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
    equal('is_deleted', query.exclude_deleted ? 0 : undefined),
  ].filter((one) => one !== undefined);
}
