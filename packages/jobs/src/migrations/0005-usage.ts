import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

const SUMS = ['input_bytes', 'result_bytes'] as const;
const PARTS = ['insert', 'update', 'delete'] as const;
type Part = (typeof PARTS)[number];

const changes = (row: 'new' | 'old'): string => SUMS.map((sum) => `coalesce(${row}.${sum}, 0) <> 0`).join(' or ');
const WHEN: Readonly<Record<Part, string>> = {
  insert: changes('new'),
  update: SUMS.map((sum) => `coalesce(new.${sum}, 0) <> coalesce(old.${sum}, 0)`).join(' or '),
  delete: changes('old'),
};
const DIFFERENCE: Readonly<Record<Part, (sum: string) => string>> = {
  insert: (sum) => `coalesce(new.${sum}, 0)`,
  update: (sum) => `coalesce(new.${sum}, 0) - coalesce(old.${sum}, 0)`,
  delete: (sum) => `-coalesce(old.${sum}, 0)`,
};
const TIMES: Readonly<Record<Part, string>> = {
  insert: 'after insert',
  update: `after update of ${SUMS.join(', ')}`,
  delete: 'after delete',
};

const add = (part: Part): string => `
  insert into job_usage (user_id, ${SUMS.join(', ')})
  values (coalesce(${part === 'delete' ? 'old' : 'new'}.created_by, ''), ${SUMS.map(DIFFERENCE[part]).join(', ')})
  on conflict (user_id) do update set
    ${SUMS.map((sum) => `${sum} = job_usage.${sum} + excluded.${sum}`).join(', ')};`;

/**
 * The storage that each user's jobs take. Triggers keep the sums, because rows are written by several statements of each dialect, and
 * a change that one of them forgot would stay wrong for ever. Rows that were there before are measured by the reconciler.
 */
export const jobs0005: Migration = {
  name: '0005_usage',
  up: async (db, dialect) => {
    for (const sum of SUMS) await db.schema.alterTable('jobs').addColumn(sum, 'bigint').execute();
    await db.schema
      .createTable('job_usage')
      .addColumn('user_id', 'text', (column) => column.primaryKey())
      .addColumn('input_bytes', 'bigint', (column) => column.notNull().defaultTo(0))
      .addColumn('result_bytes', 'bigint', (column) => column.notNull().defaultTo(0))
      .addColumn('entity_bytes', 'bigint', (column) => column.notNull().defaultTo(0))
      .execute();
    await db.schema
      .createTable('usage_claims')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('user_id', 'text', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .addColumn('expires_at', 'bigint', (column) => column.notNull())
      .execute();
    await sql`create index usage_claims_by_user on usage_claims (user_id)`.execute(db);
    await sql`create index jobs_unmeasured on jobs (seq) where input_bytes is null`.execute(db);
    for (const part of PARTS) {
      const head = `create trigger jobs_usage_${part} ${TIMES[part]} on jobs for each row when`;
      if (dialect === 'sqlite') {
        await sql.raw(`${head} ${WHEN[part]} begin ${add(part)} end`).execute(db);
        continue;
      }
      const result = part === 'delete' ? 'old' : 'new';
      await sql
        .raw(
          `create function jobs_usage_${part}() returns trigger language plpgsql as $$ begin ${add(part)} return ${result}; end $$`,
        )
        .execute(db);
      await sql.raw(`${head} (${WHEN[part]}) execute function jobs_usage_${part}()`).execute(db);
    }
  },
};
