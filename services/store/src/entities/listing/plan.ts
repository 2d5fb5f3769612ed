/**
 * Plans how a list is read. "Newest first" is the order of ids, and every index ends with the id, so a page is a short scan
 * of the index of the condition with the fewest matches. The matches of each condition are counted first, up to 10,001,
 * because without statistics the choice of an index would be a guess.
 */

import type { EntityQuery } from '@cl-server/contract';
import type { DatabaseAdapter } from '@cl-server/service-kit';
import { type RawBuilder, sql } from 'kysely';
import type { Reads } from '../../database/reads.js';
import { type Condition, ENTITIES } from './condition.js';
import { conditionsOf } from './filters.js';

/** The largest exact total. */
export const EXACT_LIMIT = 10_000;

/** A range of ids, both ends included. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Plan {
  /** The id of a match. */
  readonly id: RawBuilder<unknown>;
  readonly from: RawBuilder<unknown>;
  readonly where: RawBuilder<unknown>;
  /** The column that gives the order, newest first. */
  readonly order: RawBuilder<unknown>;
  /** The condition on ids that a cursor stands for. */
  readonly below: (id: number) => RawBuilder<unknown>;
  /** The range of ids that can match. */
  readonly span: Span;
  /** True if there are no conditions except `exclude_deleted` and `parent_id`: counters have the total. */
  readonly counted: boolean;
  /** Set if every match is one of at least 10,001 matches of a range: counting them by a scan would take long. */
  readonly wideRange: RawBuilder<unknown> | undefined;
}

const and = (parts: readonly RawBuilder<unknown>[]): RawBuilder<unknown> =>
  parts.length === 0 ? sql`1 = 1` : sql.join(parts, sql` and `);

async function matches(reads: Reads, condition: Condition): Promise<number> {
  const [row] = await reads.all<{ n: number }>(sql`
    select count(*) as n from (select 1 from ${condition.alone ?? condition.from} where ${condition.indexed} limit ${EXACT_LIMIT + 1}) m`);
  return row?.n ?? 0;
}

/** The condition with the fewest matches; undefined if all conditions should be checked in the order of ids. */
async function chooseDriver(
  reads: Reads,
  conditions: readonly Condition[],
): Promise<{ driver: Condition | undefined; wide: boolean }> {
  const [only] = conditions;
  if (conditions.length === 1 && only?.ordered) return { driver: only, wide: false };
  const indexed = conditions.filter(({ walked }) => !walked);
  const counts = await Promise.all(indexed.map((condition) => matches(reads, condition)));
  const fewest = Math.min(...counts);
  // One scan of the table is quicker than a second one for the count, and quicker than a lookup for each match of an index.
  const walk = conditions.find(({ walked }) => walked);
  if (walk && fewest > EXACT_LIMIT) return { driver: walk, wide: false };
  const driver = indexed[counts.indexOf(fewest)];
  if (!driver || fewest <= EXACT_LIMIT || driver.ordered) return { driver, wide: false };
  const ordered = conditions.find((condition) => condition.ordered);
  return { driver: ordered, wide: ordered === undefined };
}

/** Converts dates to ids: `added_date` never decreases as ids grow. Undefined if nothing was added in that time. */
async function spanOf(reads: Reads, { date_from, date_to }: EntityQuery): Promise<Span | undefined> {
  const [row] = await reads.all<{ low: number | null; high: number | null }>(sql`select
    (select id from entities where added_date >= ${date_from ?? 0} order by added_date, id limit 1) as low,
    (select id from entities where added_date <= ${date_to ?? Number.MAX_SAFE_INTEGER}
      order by added_date desc, id desc limit 1) as high`);
  if (row?.low == null || row.high == null || row.low > row.high) return undefined;
  return { from: row.low, to: row.high };
}

/** @returns undefined if nothing can match */
export async function planList(reads: Reads, query: EntityQuery, adapter: DatabaseAdapter): Promise<Plan | undefined> {
  const conditions = conditionsOf(query, adapter);
  const span = await spanOf(reads, query);
  if (!span) return undefined;
  const dated = query.date_from !== undefined || query.date_to !== undefined;
  const counted =
    !dated &&
    !query.only_deleted &&
    conditions.length === (query.parent_id === undefined ? 0 : 1) + (query.exclude_deleted ? 1 : 0);
  const { driver, wide } =
    !adapter.hasStatistics && conditions.length > 0
      ? await chooseDriver(reads, conditions)
      : { driver: undefined, wide: false };
  const joined = driver !== undefined && driver.from !== ENTITIES;
  const id = joined ? sql`f.rowid` : sql`e.id`;
  const checks = conditions.map((condition) =>
    adapter.hasStatistics || condition === driver ? condition.indexed : condition.plain,
  );
  const parts = dated ? [...checks, sql`${id} between ${span.from} and ${span.to}`] : checks;
  return {
    id,
    from: (conditions.length === 1 ? driver?.alone : undefined) ?? driver?.from ?? ENTITIES,
    where: and(parts),
    // Without a condition the index of dates is scanned: it has the same order and a tenth of the size of the table. A
    // cursor is an id, so reading can start there directly in the order of ids.
    order:
      conditions.length === 0 && !dated && query.cursor === undefined
        ? sql`e.added_date desc, e.id desc`
        : sql`${id} desc`,
    below: (bound) => sql`${id} < ${bound}`,
    span,
    counted,
    wideRange: wide ? and(checks) : undefined,
  };
}
