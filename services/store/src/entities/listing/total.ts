/** The total of a list: taken from counters, or counted up to 10,000, or estimated. */
import type { EntityQuery } from '@cl-server/contract';
import { sql } from 'kysely';
import type { Reads } from '../../database/reads.js';
import { EXACT_LIMIT, type Plan } from './plan.js';

export interface Total {
  readonly items: number;
  readonly isEstimate: boolean;
}

async function fromCounters(reads: Reads, { parent_id, exclude_deleted }: EntityQuery): Promise<number> {
  const live = exclude_deleted ? '_live' : '';
  const query =
    parent_id === undefined || parent_id === 0
      ? sql<{ n: number }>`select value as n from store_counters
          where name = ${`${parent_id === undefined ? 'entities' : 'roots'}${live}`}`
      : sql<{ n: number }>`select ${sql.id(exclude_deleted ? 'children_live' : 'children_total')} as n
          from entities where id = ${parent_id}`;
  return (await reads.all(query))[0]?.n ?? 0;
}

/** The number of newest entities that serve as a sample if a range has very many matches. */
const SAMPLE = 20_000;

async function fromSample(reads: Reads, { wideRange, span }: Plan): Promise<number> {
  const [row] = await reads.all<{ n: number; of: number }>(sql`
    select sum(case when ${wideRange} then 1 else 0 end) as n, count(*) as of
      from (select * from entities order by id desc limit ${SAMPLE}) e`);
  const share = row && row.of > 0 ? row.n / row.of : 0;
  return Math.max(EXACT_LIMIT + 1, Math.round(share * (span.to - span.from + 1)));
}

/**
 * Estimates totals above 10,000. The counted matches lie between the newest id and the lowest of them; the same density is
 * assumed for older ids.
 */
export async function totalOf(reads: Reads, query: EntityQuery, plan: Plan): Promise<Total> {
  if (plan.counted) return { items: await fromCounters(reads, query), isEstimate: false };
  if (plan.wideRange) return { items: await fromSample(reads, plan), isEstimate: true };
  const [row] = await reads.all<{ n: number; lowest: number | null }>(sql`
    select count(*) as n, min(id) as lowest from (
      select ${plan.id} as id from ${plan.from} where ${plan.where} order by ${plan.order} limit ${EXACT_LIMIT + 1}
    ) m`);
  const n = row?.n ?? 0;
  if (n <= EXACT_LIMIT || row?.lowest == null) return { items: n, isEstimate: false };
  const { from, to } = plan.span;
  const seen = to - row.lowest + 1;
  return { items: Math.max(n, Math.round((n * (to - from + 1)) / seen)), isEstimate: true };
}
