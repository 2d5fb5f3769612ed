import type { Migration } from '@cl-server/service-kit';
import { type CreateTableBuilder, sql } from 'kysely';

/**
 * Few indexes, most of them partial, because every claim and every completion pays for each that it moves a row in or
 * out of: a completed job is in three (seq, job_id, and its owner's).
 */
export const jobs0001: Migration = {
  name: '0001_jobs',
  up: async (db, dialect) => {
    // AUTOINCREMENT: a number is never given twice, for an outbox entry is removed by its number a moment later.
    const sequence = <T extends string>(table: CreateTableBuilder<T>) =>
      dialect === 'sqlite'
        ? table.addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
        : table.addColumn('seq', 'bigserial', (column) => column.primaryKey());

    await sequence(db.schema.createTable('jobs'))
      .addColumn('job_id', 'text', (column) => column.notNull().unique())
      .addColumn('task_type', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('priority', 'integer', (column) => column.notNull())
      .addColumn('params', 'text', (column) => column.notNull())
      .addColumn('output', 'text')
      .addColumn('progress', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('error_code', 'text')
      .addColumn('error_message', 'text')
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .addColumn('started_at', 'bigint')
      .addColumn('completed_at', 'bigint')
      .addColumn('created_by', 'text')
      .addColumn('retry_count', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('max_retries', 'integer', (column) => column.notNull())
      .addColumn('timeout_ms', 'bigint', (column) => column.notNull())
      .addColumn('attempt', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('committed_attempt', 'integer')
      .addColumn('token', 'text')
      .addColumn('worker_id', 'text')
      .addColumn('lease_until', 'bigint')
      .addColumn('run_after', 'bigint')
      .addColumn('cancel_requested', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('shown', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('idempotency_key', 'text')
      .addColumn('fingerprint', 'text')
      .addColumn('input_sha256', 'text')
      .execute();

    await sequence(db.schema.createTable('job_outbox'))
      .addColumn('job_id', 'text', (column) => column.notNull())
      .addColumn('event', 'text', (column) => column.notNull())
      .addColumn('progress', 'integer', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute();

    await db.schema
      .createTable('job_crashes')
      .addColumn('task_type', 'text', (column) => column.notNull())
      .addColumn('input_sha256', 'text', (column) => column.notNull())
      .addColumn('crashes', 'integer', (column) => column.notNull())
      .addColumn('last_at', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('job_crashes_pk', ['task_type', 'input_sha256'])
      .execute();

    await db.schema
      .createTable('service_config')
      .ifNotExists()
      .addColumn('key', 'text', (column) => column.primaryKey())
      .addColumn('value', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .addColumn('updated_by', 'text')
      .execute();

    for (const statement of [
      // The queue: only jobs that may be claimed now. A claim reads its first entries for each task type.
      sql`create index jobs_queue on jobs (task_type, priority desc, created_at, seq)
          where status = 'queued' and run_after is null`,
      sql`create index jobs_delayed on jobs (run_after) where status = 'queued' and run_after is not null`,
      sql`create index jobs_running on jobs (lease_until) where status = 'processing'`,
      sql`create index jobs_failed on jobs (seq) where status = 'failed'`,
      sql`create index jobs_waiting_by_owner on jobs (created_by) where status = 'queued' and created_by is not null`,
      sql`create index jobs_by_owner on jobs (created_by, seq) where created_by is not null`,
      sql`create index jobs_shown on jobs (completed_at) where shown = 1 and completed_at is not null`,
      sql`create unique index jobs_idempotency on jobs (coalesce(created_by, ''), idempotency_key)
          where idempotency_key is not null`,
    ])
      await statement.execute(db);
  },
};
