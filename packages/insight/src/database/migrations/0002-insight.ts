import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

export const insight0002: Migration = {
  name: '0002_insight',
  up: async (db, dialect) => {
    const sqlite = dialect === 'sqlite';
    const serial = sqlite ? 'integer' : 'bigserial';
    const bytes = sqlite ? 'blob' : 'bytea';
    const withId = (table: string) =>
      db.schema
        .createTable(table)
        .addColumn('id', serial, (column) => (sqlite ? column.primaryKey().autoIncrement() : column.primaryKey()));
    const ofEntity = () => sql`bigint not null references entities (id) on delete cascade`;

    await db.schema
      .createTable('insights')
      .addColumn('entity_id', 'bigint', (column) => column.primaryKey().references('entities.id').onDelete('cascade'))
      .addColumn('sha256', 'text', (column) => column.notNull())
      .addColumn('entity_version', 'bigint', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('face_count', 'integer')
      .addColumn('error_message', 'text')
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .execute();

    await db.schema
      .createTable('inferences')
      .addColumn('entity_id', ofEntity())
      .addColumn('task_type', 'text', (column) => column.notNull())
      .addColumn('subject', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('model', 'text', (column) => column.notNull())
      .addColumn('job_id', 'text')
      .addColumn('tries', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('not_before', 'bigint', (column) => column.notNull())
      .addColumn('error_code', 'text')
      .addColumn('error_message', 'text')
      .addColumn('queued_at', 'bigint')
      .addColumn('started_at', 'bigint')
      .addColumn('completed_at', 'bigint')
      .addPrimaryKeyConstraint('inferences_pk', ['entity_id', 'task_type', 'subject'])
      .modifyEnd(sqlite ? sql`without rowid` : sql``)
      .execute();

    await withId('persons')
      .addColumn('name', 'text')
      .addColumn('is_hidden', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('is_decided', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .execute();

    await withId('faces')
      .addColumn('entity_id', ofEntity())
      .addColumn('sha256', 'text', (column) => column.notNull())
      .addColumn('bbox', 'text', (column) => column.notNull())
      .addColumn('confidence', 'double precision', (column) => column.notNull())
      .addColumn('landmarks', 'text', (column) => column.notNull())
      .addColumn('quality', 'double precision', (column) => column.notNull())
      .addColumn('file_path', 'text', (column) => column.notNull())
      .addColumn('person_id', 'bigint', (column) => column.references('persons.id').onDelete('set null'))
      .addColumn('is_decided', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute();

    await withId('person_decisions')
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('person_id', 'bigint')
      .addColumn('face_ids', 'text', (column) => column.notNull())
      .addColumn('before', 'text', (column) => column.notNull())
      .addColumn('decided_at', 'bigint', (column) => column.notNull())
      .addColumn('decided_by', 'text')
      .addColumn('is_undone', 'integer', (column) => column.notNull().defaultTo(0))
      .execute();

    await withId('vectors')
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('model', 'text', (column) => column.notNull())
      .addColumn('entity_id', ofEntity())
      .addColumn('subject', 'bigint', (column) => column.notNull())
      .addColumn('data', bytes, (column) => column.notNull())
      .addUniqueConstraint('vectors_subject', ['entity_id', 'kind', 'model', 'subject'])
      .execute();

    await db.schema
      .createTable('vector_codes')
      .addColumn('vector_id', 'bigint', (column) => column.primaryKey().references('vectors.id').onDelete('cascade'))
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('model', 'text', (column) => column.notNull())
      .addColumn('entity_id', 'bigint', (column) => column.notNull())
      .addColumn('subject', 'bigint', (column) => column.notNull())
      .addColumn('bits', bytes, (column) => column.notNull())
      .execute();

    await db.schema
      .createTable('vector_models')
      .addColumn('kind', 'text', (column) => column.primaryKey())
      .addColumn('model', 'text', (column) => column.notNull())
      .addColumn('dimension', 'integer', (column) => column.notNull())
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .execute();

    await withId('perceptual_hashes')
      .addColumn('entity_id', ofEntity())
      .addColumn('frame', 'integer', (column) => column.notNull())
      .addColumn('phash', 'text', (column) => column.notNull())
      .addColumn('is_paired', 'integer', (column) => column.notNull().defaultTo(0))
      .addUniqueConstraint('perceptual_hashes_frame', ['entity_id', 'frame'])
      .execute();

    await db.schema
      .createTable('near_duplicates')
      .addColumn('entity_id', ofEntity())
      .addColumn('other_id', ofEntity())
      .addColumn('distance', 'integer', (column) => column.notNull())
      .addPrimaryKeyConstraint('near_duplicates_pk', ['entity_id', 'other_id'])
      .modifyEnd(sqlite ? sql`without rowid` : sql``)
      .execute();

    await db.schema
      .createTable('leases')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('holder', 'text', (column) => column.notNull())
      .addColumn('until', 'bigint', (column) => column.notNull())
      .execute();

    for (const statement of [
      sql`create index inferences_pending on inferences (not_before, entity_id) where status = 'pending'`,
      sql`create index inferences_running on inferences (job_id) where status = 'processing'`,
      sql`create index inferences_failed on inferences (task_type, not_before) where status = 'failed'`,
      sql`create index faces_entity on faces (entity_id)`,
      sql`create index faces_open on faces (quality desc, id) where person_id is null and is_decided = 0`,
      sql`create index faces_person on faces (person_id) where person_id is not null`,
      sql`create index vectors_model on vectors (kind, model, id)`,
      sql`create index vector_codes_model on vector_codes (kind, model, vector_id)`,
      sql`create index perceptual_hashes_unpaired on perceptual_hashes (id) where is_paired = 0`,
      sql`create index near_duplicates_other on near_duplicates (other_id)`,
      sql`create index near_duplicates_distance on near_duplicates (distance)`,
    ])
      await statement.execute(db);
  },
};
