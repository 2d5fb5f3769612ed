/** The entities that a search includes: those that match the filters of the entity list and are not deleted. */

import type { EntityQuery } from '@cl-server/contract';
import type { EntityView } from '@cl-server/insight';
import type { DatabaseAdapter } from '@cl-server/service-kit';
import { sql } from 'kysely';
import type { Reads } from '../../database/reads.js';
import { ENTITIES } from './condition.js';
import { conditionsOf } from './filters.js';

export function searchScope(reads: Reads, adapter: DatabaseAdapter): EntityView['matching'] {
  return async (filters) => {
    const { date_from, date_to } = filters;
    // Results never include deleted entities, so `exclude_deleted` alone is no reason to read all ids.
    const query = { ...filters, exclude_deleted: false, page: 1, page_size: 1 } as EntityQuery;
    const [driver, ...others] = conditionsOf(query, adapter);
    const where = [
      ...(driver ? [driver.indexed] : []),
      ...others.map(({ plain }) => plain),
      ...(date_from !== undefined ? [sql`e.added_date >= ${date_from}`] : []),
      ...(date_to !== undefined ? [sql`e.added_date <= ${date_to}`] : []),
    ];
    if (where.length === 0) return undefined;
    const rows = await reads.all<{ id: number }>(
      sql`select e.id from ${driver?.from ?? ENTITIES} where ${sql.join([...where, sql`e.is_deleted = 0`], sql` and `)}`,
    );
    return new Set(rows.map(({ id }) => id));
  };
}
