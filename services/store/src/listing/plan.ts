/**
 * How a list is read. Newest first is the order of ids, and every index ends with the id, so that a page is a short walk
 * along the index of the condition with the fewest matches. The number of those is found out first, up to 10,001: an
 * index without statistics would be chosen blindly.
 */

import type { EntityQuery } from '@cl-server/contract';
import type { DatabaseAdapter } from '@cl-server/service-kit';
import { type RawBuilder, sql } from 'kysely';
import type { Reads } from '../database/reads.js';
import { type Condition, ENTITIES } from './condition.js';
import { conditionsOf } from './filters.js';

/** Totals are exact up to here. */
export const EXACT_LIMIT = 10_000;

/** Ids, inclusive. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Plan {
  /** The id of a match. */
  readonly id: RawBuilder<unknown>;
  readonly from: RawBuilder<unknown>;
  readonly where: RawBuilder<unknown>;
  /** Column that gives the order, newest first. */
  readonly order: RawBuilder<unknown>;
  /** An id condition for a cursor. */
  readonly below: (id: number) => RawBuilder<unknown>;
  /** Ids among which matches can be. */
  readonly span: Span;
  /** No condition but `exclude_deleted` and `parent_id`: counters know the total. */
  readonly counted: boolean;
  /** Every single match is one of at least 10,001 of a range: counting them by a walk would take long. */
  readonly wideRange: RawBuilder<unknown> | undefined;
}

const and = (parts: readonly RawBuilder<unknown>[]): RawBuilder<unknown> =>
  parts.length === 0 ? sql`1 = 1` : sql.join(parts, sql` and `);

async function matches(reads: Reads, condition: Condition): Promise<number> {
  const [row] = await reads.all<{ n: number }>(sql`
    select count(*) as n from (select 1 from ${condition.alone ?? condition.from} where ${condition.indexed} limit ${EXACT_LIMIT + 1}) m`);
  return row?.n ?? 0;
}

/** The condition with the fewest matches; undefined where all should be checked along the order of ids. */
async function chooseDriver(
  reads: Reads,
  conditions: readonly Condition[],
): Promise<{ driver: Condition | undefined; wide: boolean }> {
  const [only] = conditions;
  if (conditions.length === 1 && only?.ordered) return { driver: only, wide: false };
  const indexed = conditions.filter(({ walked }) => !walked);
  const counts = await Promise.all(indexed.map((condition) => matches(reads, condition)));
  const fewest = Math.min(...counts);
  // One walk along the table takes less than another for its count, and less than as many looks from an index.
  const walk = conditions.find(({ walked }) => walked);
  if (walk && fewest > EXACT_LIMIT) return { driver: walk, wide: false };
  const driver = indexed[counts.indexOf(fewest)];
  if (!driver || fewest <= EXACT_LIMIT || driver.ordered) return { driver, wide: false };
  const ordered = conditions.find((condition) => condition.ordered);
  return { driver: ordered, wide: ordered === undefined };
}

/** Dates to ids: `added_date` never decreases as ids grow. Undefined where nothing was added in that time. */
async function spanOf(reads: Reads, { date_from, date_to }: EntityQuery): Promise<Span | undefined> {
  const [row] = await reads.all<{ low: number | null; high: number | null }>(sql`select
    (select id from entities where added_date >= ${date_from ?? 0} order by added_date, id limit 1) as low,
    (select id from entities where added_date <= ${date_to ?? Number.MAX_SAFE_INTEGER}
      order by added_date desc, id desc limit 1) as high`);
  if (row?.low == null || row.high == null || row.low > row.high) return undefined;
  return { from: row.low, to: row.high };
}

/** @returns undefined where nothing can match */
export async function planList(reads: Reads, query: EntityQuery, adapter: DatabaseAdapter): Promise<Plan | undefined> {
  const conditions = conditionsOf(query, adapter);
  const span = await spanOf(reads, query);
  if (!span) return undefined;
  const dated = query.date_from !== undefined || query.date_to !== undefined;
  const counted =
    !dated && conditions.length === (query.parent_id === undefined ? 0 : 1) + (query.exclude_deleted ? 1 : 0);
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
    // Without a condition the index of dates is walked: it has the same order and is a tenth of the table. A cursor is an
    // id, and begins in the order of ids at once.
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
