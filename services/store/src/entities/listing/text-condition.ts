/**
 * The condition that an entity's text (the folded label and file name) contains a text. SQLite uses a full-text index of
 * trigrams, PostgreSQL a trigram index on the column.
 */
import type { DatabaseAdapter } from '@cl-server/service-kit';
import { type RawBuilder, sql } from 'kysely';
import { type Condition, ENTITIES } from './condition.js';

/** Letters of a trigram. The full-text index cannot find shorter texts. */
const TRIGRAM = 3;

const likePattern = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`;

const has = (contains: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`exists (select 1 from entity_search s where s.id = e.id and ${contains})`;

const onPostgres = (text: string): Condition => ({
  indexed: has(sql`s.text like ${likePattern(text)}`),
  plain: has(sql`s.text like ${likePattern(text)}`),
  from: ENTITIES,
  ordered: true,
  walked: false,
});

function onSqlite(text: string): Condition {
  const contains = (column: RawBuilder<unknown>): RawBuilder<unknown> => sql`instr(${column}, ${text}) > 0`;
  const plain = has(contains(sql`s.text`));
  if ([...text].length < TRIGRAM)
    return {
      indexed: contains(sql`f.text`),
      plain,
      from: sql`entity_search f cross join entities e on e.id = f.rowid`,
      alone: sql`entity_search f`,
      ordered: true,
      walked: true,
    };
  return {
    indexed: sql`entity_texts match ${`"${text.replaceAll('"', '""')}"`}`,
    plain,
    // The full-text index returns its rows in the order of ids; `cross join` keeps it the outer loop.
    from: sql`entity_texts f cross join entities e on e.id = f.rowid`,
    alone: sql`entity_texts f`,
    ordered: true,
    walked: false,
  };
}

/** @param text folded, not empty */
export const textCondition = (text: string, { dialect }: DatabaseAdapter): Condition =>
  ({ sqlite: onSqlite, postgres: onPostgres })[dialect](text);
