/** Rows as the database holds them. Times are milliseconds, booleans 0 or 1, JSON is text. */
import type { VERSION_OPERATIONS } from '@cl-server/contract';
import type { InsightTables } from '@cl-server/insight';
import type { ColumnType, Generated, Selectable } from 'kysely';

/** What is known of a content, whoever refers to it. */
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
  /** Minutes east of UTC; null where the file does not say. */
  create_date_offset: number | null;
  camera: string | null;
  latitude: number | null;
  longitude: number | null;
  /** What could not be read, in words for clients. */
  metadata_error: string | null;
}

/** One row per content. It lives as long as some version of some entity refers to it. */
export interface FilesTable extends ContentFacts {
  sha256: string;
  /** Relative to the media folder. */
  path: string;
  added_at: number;
  tags_status: 'pending' | 'complete' | 'failed';
  /** JSON object: everything that exiftool and ffprobe say. */
  tags: string | null;
}
export type FileRow = Selectable<FilesTable>;

type OrNull<T> = { [K in keyof T]: T[K] | null };

/** What of an entity changes, and is kept for each version. */
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
  /** Number of the newest version. */
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
  /** From 1, without gaps. */
  version: number;
  transaction_id: number;
  changed_at: number;
  changed_by: string | null;
  operation: VersionOperation;
  /** Names of the entity's keys, separated by commas. */
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

/** What search reads of each entity: folded, so that only what people take for different differs. */
export interface SearchTable {
  id: number;
  text: string;
}

/** What each user's entities take; `''` is nobody. */
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

/** What is still to go of something that was deleted. */
export interface ErasuresTable {
  /** A job; what was made about an entity; what was made from a content. */
  kind: 'job' | 'entity' | 'content';
  /** Its id, or its SHA-256. */
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
