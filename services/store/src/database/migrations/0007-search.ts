import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

/**
 * Search reads texts that the service has folded (case, accents, variants of one letter), in a narrow table of their own.
 * The texts of existing entities are written in the background, because a million of them would delay the start.
 */
export const store0007: Migration = {
  name: '0007_search',
  up: async (db, dialect) => {
    const sqlite = dialect === 'sqlite';
    await db.schema
      .createTable('entity_search')
      .addColumn('id', sqlite ? 'integer' : 'bigint', (column) =>
        column.primaryKey().references('entities.id').onDelete('cascade'),
      )
      .addColumn('text', 'text', (column) => column.notNull())
      .execute();
    for (const statement of sqlite ? SQLITE : POSTGRES) await statement.execute(db);
    const newest = sql<number>`coalesce((select max(id) from entities), 0)`;
    await sql`insert into store_counters (name, value) values ('search_unfolded', ${newest})`.execute(db);
  },
};

/** Index of substrings with three letters or more. Triggers maintain it, so that no writer can forget it. */
const SQLITE = [
  sql`drop trigger entity_labels_insert`,
  sql`drop trigger entity_labels_update`,
  sql`drop trigger entity_labels_delete`,
  sql`drop table entity_labels`,
  sql`create virtual table entity_texts using fts5(text, content='', contentless_delete=1, tokenize='trigram case_sensitive 1')`,
  sql`create trigger entity_search_insert after insert on entity_search begin
      insert into entity_texts (rowid, text) values (new.id, new.text); end`,
  sql`create trigger entity_search_update after update on entity_search when old.text is not new.text begin
      delete from entity_texts where rowid = old.id;
      insert into entity_texts (rowid, text) values (new.id, new.text); end`,
  sql`create trigger entity_search_delete after delete on entity_search begin
      delete from entity_texts where rowid = old.id; end`,
];

const POSTGRES = [
  sql`drop index entity_labels`,
  sql`create index entity_texts on entity_search using gin (text gin_trgm_ops)`,
];
