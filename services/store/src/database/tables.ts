/** Rows as the database holds them. Times are milliseconds, booleans 0 or 1, JSON is text. */
import type { VERSION_OPERATIONS } from '@cl-server/contract';
import type { InsightTables } from '@cl-server/insight';
import type { ColumnType, Generated, Selectable } from 'kysely';

/** The facts about a content. They are the same for all entities that show it. */
export interface ContentFacts {
  md5: string;
  file_size: number;
  mime_type: string;
  type: string;
  extension: string;
  width: number | null;
  height: number | null;
  /** Seconds. */
  duration: number | null;
  /** When the picture was taken. */
  create_date: number | null;
  /** Minutes east of UTC; null if the file does not say. */
  create_date_offset: number | null;
  camera: string | null;
  latitude: number | null;
  longitude: number | null;
  /** Describes for clients the parts that could not be read. */
  metadata_error: string | null;
}

/** One row per content. It exists as long as a version of an entity refers to it. */
export interface FilesTable extends ContentFacts {
  sha256: string;
  /** Relative to the media folder. */
  path: string;
  added_at: number;
  tags_status: 'pending' | 'complete' | 'failed';
  /** JSON object with everything that exiftool and ffprobe report. */
  tags: string | null;
}
export type FileRow = Selectable<FilesTable>;

type OrNull<T> = { [K in keyof T]: T[K] | null };

/** The parts of an entity that can change and are kept for each version. */
export interface EntityState {
  label: string | null;
  description: string | null;
  parent_id: number | null;
  is_deleted: number;
  sha256: string | null;
  file_name: string | null;
}

/**
 * The newest state of each entity. The facts of its file are repeated here because lists are filtered by them.
 * `added_date` never decreases as `id` grows: "newest first" is the order of ids.
 */
export interface EntitiesTable extends EntityState, OrNull<ContentFacts> {
  id: Generated<number>;
  is_collection: ColumnType<number, number, never>;
  added_date: ColumnType<number, number, never>;
  added_by: ColumnType<string | null, string | null, never>;
  updated_date: number;
  updated_by: string | null;
  file_path: string | null;
  /** The number of the newest version. */
  version: number;
  deleted_at: number | null;
  /** Maintained in the transactions that change them. */
  children_total: Generated<number>;
  children_live: Generated<number>;
}
export type EntityRow = Selectable<EntitiesTable>;

export type VersionOperation = (typeof VERSION_OPERATIONS)[number];

export interface VersionsTable extends EntityState {
  entity_id: number;
  /** Begins at 1 and has no gaps. */
  version: number;
  transaction_id: number;
  changed_at: number;
  changed_by: string | null;
  operation: VersionOperation;
  /** The names of the changed keys, separated by commas. */
  changed_fields: string;
}
export type VersionRow = Selectable<VersionsTable>;

/** Files to remove once the transaction that freed them is committed. */
export interface PendingRemovalsTable {
  path: string;
  sha256: string;
  created_at: number;
}

/** `transaction_id`, how many entities there are (`entities`, `entities_live`, `roots`, `roots_live`), `bytes` of contents. */
export interface CountersTable {
  name: string;
  value: number;
}

/** The text of each entity that search reads. It is folded, so that texts differ only if people see a difference. */
export interface SearchTable {
  id: number;
  text: string;
}

/** The storage that the entities of each user take; `''` stands for unknown users. */
export interface UsageTable {
  user_id: string;
  entities: number;
  bytes: number;
}

export interface ServiceConfigTable {
  key: string;
  value: string;
  updated_at: number;
  updated_by: string | null;
}

/** The things that must still be removed after a deletion. */
export interface ErasuresTable {
  /** A job; everything made for an entity; everything made from a content. */
  kind: 'job' | 'entity' | 'content';
  /** The id, or the SHA-256 of a content. */
  target: string;
  noted_at: number;
}
export type ErasureRow = Selectable<ErasuresTable>;

export interface StoreTables extends InsightTables {
  files: FilesTable;
  entities: EntitiesTable;
  entity_versions: VersionsTable;
  entity_search: SearchTable;
  pending_removals: PendingRemovalsTable;
  erasures: ErasuresTable;
  store_counters: CountersTable;
  usage: UsageTable;
  service_config: ServiceConfigTable;
}
