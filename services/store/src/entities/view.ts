/** Converts rows to the form that clients see. */
import type { Entity, EntityVersion, FieldChange } from '@cl-server/contract';
import { factsOf, NO_FACTS } from '../database/facts.js';
import type { EntityRow, FileRow, VersionRow } from '../database/tables.js';

export interface Surroundings {
  readonly children_count: number;
  readonly is_indirectly_deleted: boolean;
}

export function entityView(row: EntityRow, { children_count, is_indirectly_deleted }: Surroundings): Entity {
  return {
    id: row.id,
    is_collection: row.is_collection === 1,
    label: row.label,
    description: row.description,
    parent_id: row.parent_id,
    children_count,
    added_date: row.added_date,
    updated_date: row.updated_date,
    create_date: row.create_date,
    added_by: row.added_by,
    updated_by: row.updated_by,
    file_size: row.file_size,
    height: row.height,
    width: row.width,
    duration: row.duration,
    mime_type: row.mime_type,
    type: row.type,
    extension: row.extension,
    md5: row.md5,
    file_path: row.file_path,
    is_deleted: row.is_deleted === 1,
    is_indirectly_deleted,
    sha256: row.sha256,
    file_name: row.file_name,
    create_date_offset: row.create_date_offset,
    camera: row.camera,
    latitude: row.latitude,
    longitude: row.longitude,
    metadata_error: row.metadata_error,
    version: row.version,
  };
}

/** The entity as one of its versions had it. */
export function atVersion(row: EntityRow, version: VersionRow, file: FileRow | undefined): EntityRow {
  return {
    ...row,
    ...NO_FACTS,
    ...(file && factsOf(file)),
    file_path: file?.path ?? null,
    label: version.label,
    description: version.description,
    parent_id: version.parent_id,
    is_deleted: version.is_deleted,
    sha256: version.sha256,
    file_name: version.file_name,
    updated_date: version.changed_at,
    updated_by: version.changed_by,
    version: version.version,
  };
}

export function versionView(row: VersionRow): EntityVersion {
  return {
    version: row.version,
    transaction_id: row.transaction_id,
    updated_date: row.changed_at,
    updated_by: row.changed_by,
    operation_type: row.operation,
    changed_fields: row.changed_fields === '' ? [] : row.changed_fields.split(','),
    label: row.label,
    description: row.description,
  };
}

/** Keys that describe the change itself. */
const NOT_COMPARED = new Set(['updated_date', 'updated_by', 'version', 'children_count', 'is_indirectly_deleted']);

/** The keys that differ between two versions of an entity. */
export function differences(from: EntityRow, to: EntityRow): FieldChange[] {
  const around = { children_count: 0, is_indirectly_deleted: false };
  const before: Record<string, unknown> = entityView(from, around);
  const after: Record<string, unknown> = entityView(to, around);
  return Object.keys(after)
    .filter((key) => !NOT_COMPARED.has(key) && before[key] !== after[key])
    .map((field) => ({ field, from: before[field], to: after[field] }));
}
