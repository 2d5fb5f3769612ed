import type { Migration } from '@cl-server/service-kit';
import { type CreateTableBuilder, sql } from 'kysely';

const withFacts = <T extends string, C extends string>(table: CreateTableBuilder<T, C>) =>
  table
    .addColumn('md5', 'text')
    .addColumn('file_size', 'bigint')
    .addColumn('mime_type', 'text')
    .addColumn('type', 'text')
    .addColumn('extension', 'text')
    .addColumn('width', 'bigint')
    .addColumn('height', 'bigint')
    .addColumn('duration', 'double precision')
    .addColumn('create_date', 'bigint')
    .addColumn('create_date_offset', 'integer')
    .addColumn('camera', 'text')
    .addColumn('latitude', 'double precision')
    .addColumn('longitude', 'double precision')
    .addColumn('metadata_error', 'text');

const withState = <T extends string, C extends string>(table: CreateTableBuilder<T, C>) =>
  table
    .addColumn('label', 'text')
    .addColumn('description', 'text')
    .addColumn('is_deleted', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('sha256', 'text', (column) => column.references('files.sha256'))
    .addColumn('file_name', 'text');

/** Columns of equality filters; their indexes end with the id, so that matches come newest first. */
const FILTERED = ['mime_type', 'type', 'width', 'height', 'md5', 'is_deleted', 'is_collection'] as const;

export const store0001: Migration = {
  name: '0001_store',
  up: async (db, dialect) => {
    const sqlite = dialect === 'sqlite';
    await withFacts(db.schema.createTable('files').addColumn('sha256', 'text', (column) => column.primaryKey()))
      .addColumn('path', 'text', (column) => column.notNull().unique())
      .addColumn('added_at', 'bigint', (column) => column.notNull())
      .addColumn('tags_status', 'text', (column) => column.notNull())
      .addColumn('tags', 'text')
      .execute();

    const entities = db.schema
      .createTable('entities')
      .addColumn('id', sqlite ? 'integer' : 'bigserial', (column) =>
        sqlite ? column.primaryKey().autoIncrement() : column.primaryKey(),
      )
      .addColumn('is_collection', 'integer', (column) => column.notNull())
      .addColumn('parent_id', 'bigint', (column) => column.references('entities.id'));
    await withFacts(withState(entities))
      .addColumn('file_path', 'text')
      .addColumn('added_date', 'bigint', (column) => column.notNull())
      .addColumn('added_by', 'text')
      .addColumn('updated_date', 'bigint', (column) => column.notNull())
      .addColumn('updated_by', 'text')
      .addColumn('version', 'bigint', (column) => column.notNull())
      .addColumn('deleted_at', 'bigint')
      .addColumn('children_total', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('children_live', 'integer', (column) => column.notNull().defaultTo(0))
      .execute();

    await withState(
      db.schema
        .createTable('entity_versions')
        .addColumn('entity_id', 'bigint', (column) => column.notNull().references('entities.id').onDelete('cascade'))
        .addColumn('version', 'bigint', (column) => column.notNull())
        .addColumn('parent_id', 'bigint'),
    )
      .addColumn('transaction_id', 'bigint', (column) => column.notNull())
      .addColumn('changed_at', 'bigint', (column) => column.notNull())
      .addColumn('changed_by', 'text')
      .addColumn('operation', 'text', (column) => column.notNull())
      .addColumn('changed_fields', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('entity_versions_pk', ['entity_id', 'version'])
      .modifyEnd(sqlite ? sql`without rowid` : sql``)
      .execute();

    await db.schema
      .createTable('pending_removals')
      .addColumn('path', 'text', (column) => column.primaryKey())
      .addColumn('sha256', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('store_counters')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('value', 'bigint', (column) => column.notNull())
      .execute();
    await db
      .insertInto('store_counters')
      .values(
        ['transaction_id', 'entities', 'entities_live', 'roots', 'roots_live', 'bytes'].map((name) => ({
          name,
          value: 0,
        })),
      )
      .execute();
    await db.schema
      .createTable('usage')
      .addColumn('user_id', 'text', (column) => column.primaryKey())
      .addColumn('entities', 'bigint', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .execute();
    // The job tables include the same table, so it may exist already if both are in one SQLite file.
    await db.schema
      .createTable('service_config')
      .ifNotExists()
      .addColumn('key', 'text', (column) => column.primaryKey())
      .addColumn('value', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .addColumn('updated_by', 'text')
      .execute();

    // SQLite appends the row's id to every index by itself.
    const id = sql.raw(sqlite ? '' : ', id');
    const indexes = [
      ...FILTERED.map(
        (column) => sql`create index ${sql.id(`entities_${column}`)} on entities (${sql.id(column)}${id})`,
      ),
      sql`create index entities_parent on entities (parent_id${id})`,
      // The depth of a moved subtree is that of its collections; its media need not be visited.
      sql`create index entities_subcollections on entities (parent_id) where is_collection = 1`,
      sql`create index entities_added on entities (added_date${id})`,
      sql`create index entities_size on entities (file_size${id})`,
      sql`create index entities_trash on entities (deleted_at) where deleted_at is not null`,
      sql`create unique index entities_content on entities (sha256) where sha256 is not null and is_deleted = 0`,
      sql`create index entities_sha256 on entities (sha256${id}) where sha256 is not null`,
      sql`create index files_md5 on files (md5)`,
      sql`create index files_tags_pending on files (added_at) where tags_status = 'pending'`,
      sql`create index entity_versions_transaction on entity_versions (transaction_id, entity_id)`,
      sql`create index entity_versions_sha256 on entity_versions (sha256) where sha256 is not null`,
      ...(sqlite ? sqliteSearch : postgresSearch),
    ];
    for (const statement of indexes) await statement.execute(db);
  },
};

/** Index of label substrings with three letters or more, in any case. Triggers maintain it, so that no writer can forget it. */
const sqliteSearch = [
  sql`create index entities_label on entities (label) where is_collection = 1`,
  sql`create virtual table entity_labels using fts5(label, content='', contentless_delete=1, tokenize='trigram')`,
  sql`create trigger entity_labels_insert after insert on entities when new.label is not null begin
      insert into entity_labels (rowid, label) values (new.id, new.label); end`,
  sql`create trigger entity_labels_update after update of label on entities when old.label is not new.label begin
      delete from entity_labels where rowid = old.id;
      insert into entity_labels (rowid, label) select new.id, new.label where new.label is not null; end`,
  sql`create trigger entity_labels_delete after delete on entities begin
      delete from entity_labels where rowid = old.id; end`,
];

const postgresSearch = [
  sql`create extension if not exists pg_trgm with schema public`,
  sql`create index entities_label on entities using hash (label) where is_collection = 1`,
  sql`create index entity_labels on entities using gin (label gin_trgm_ops)`,
];
