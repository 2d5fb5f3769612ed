/** Entities (media and collections), their lists, versions and metadata. */
import { z } from 'zod';
import { field } from '../http/field.js';
import { ENTITY, ENTITY_VERSION, PAGINATION, SIGNED_URLS } from './examples.js';
import { milliseconds } from './fields.js';

/**
 * A media file or a collection. The keys up to `is_indirectly_deleted` keep the order that existing clients know
 * (docs/compatibility.md).
 */
export const entity = z
  .object({
    id: z.int(),
    is_collection: z.boolean(),
    label: z.string().nullable(),
    description: z.string().nullable(),
    parent_id: z.int().nullable(),
    children_count: z
      .int()
      .describe('Children that are not deleted; in lists that show deleted entities, all children'),
    added_date: milliseconds.nullable(),
    updated_date: milliseconds.nullable(),
    create_date: milliseconds
      .nullable()
      .describe('The time of the recording according to the file; a time without a zone counts as UTC'),
    added_by: z.string().nullable(),
    updated_by: z.string().nullable(),
    file_size: z.int().nullable(),
    height: z.int().nullable().describe('Height in pixels, after rotation'),
    width: z.int().nullable().describe('Width in pixels, after rotation'),
    duration: z.number().nullable().describe('Seconds'),
    mime_type: z.string().nullable().describe('Media type, decided by the content'),
    type: z.string().nullable().describe('image, video, audio, text or file'),
    extension: z.string().nullable().describe('File name extension without the dot'),
    md5: z.string().nullable().describe('MD5 of the bytes, 32 hexadecimal digits'),
    file_path: z.string().nullable().describe('Relative to the media folder'),
    is_deleted: z.boolean(),
    is_indirectly_deleted: z.boolean().nullable().describe('True if a collection above it is deleted'),
    sha256: z
      .string()
      .nullable()
      .describe('SHA-256 of the bytes, 64 hexadecimal digits; it decides whether two files are the same'),
    file_name: z.string().nullable().describe('Sanitized name of the uploaded file'),
    create_date_offset: z
      .int()
      .nullable()
      .describe('Minutes east of UTC of the zone in which `create_date` was recorded, if the file says so'),
    camera: z.string().nullable(),
    latitude: z.number().nullable().describe('Degrees, north is positive'),
    longitude: z.number().nullable().describe('Degrees, east is positive'),
    metadata_error: z.string().nullable().describe('The errors while reading the file’s metadata'),
    version: z.int().describe('Number of the version; the first is 1'),
  })
  .meta({ id: 'Entity', example: ENTITY });
export type Entity = z.infer<typeof entity>;

export const entityQuery = z.object({
  page: field.int({ ge: 1, le: 1_000_000_000 }).default(1).describe('Number of the page; the first is 1'),
  page_size: field.int({ ge: 1, le: 100 }).default(20).describe('Number of entities of a page'),
  cursor: field
    .filter(200)
    .describe('`next_cursor` of the previous page; `page` is then ignored. The same filters must be sent again'),
  version: field.int().optional().describe('Show each entity in this version; entities without it are left out'),
  filter_param: field.filter().describe('Accepted and ignored'),
  search_query: field.filter(500).describe('Text in the label; upper and lower case are equal'),
  exclude_deleted: field.bool().default(false).describe('Leave out the entities in the trash'),
  only_deleted: field
    .bool()
    .default(false)
    .describe('Only what is in the trash itself; `exclude_deleted` is then ignored'),
  md5: field.filter(128).describe('MD5 of the bytes, hexadecimal'),
  sha256: field.filter(128).describe('SHA-256 of the bytes, hexadecimal'),
  mime_type: field.filter(255).describe('Media type, e.g. `image/jpeg`'),
  type: field.filter(64).describe('image, video, audio, text or file'),
  width: field.int().optional().describe('Width in pixels, exactly'),
  height: field.int().optional().describe('Height in pixels, exactly'),
  file_size_min: field.int().optional().describe('Bytes, inclusive'),
  file_size_max: field.int().optional().describe('Bytes, inclusive'),
  date_from: field.int().optional().describe('Of `added_date`, inclusive'),
  date_to: field.int().optional().describe('Of `added_date`, inclusive'),
  parent_id: field.int().optional().describe('0 for the entities in no collection'),
  is_collection: field.bool().optional().describe('Only collections, or only media'),
});
export type EntityQuery = z.infer<typeof entityQuery>;

export const pagination = z
  .object({
    page: z.int(),
    page_size: z.int(),
    total_items: z.int(),
    total_pages: z.int(),
    has_next: z.boolean(),
    has_prev: z.boolean(),
    total_is_estimate: z
      .boolean()
      .describe('True above 10,000 matches, unless the server keeps a counter for this list'),
    next_cursor: z
      .string()
      .nullable()
      .describe('Cursor of the next page; every page takes the same time. Null on the last page'),
  })
  .meta({ id: 'Pagination', example: PAGINATION });
export type Pagination = z.infer<typeof pagination>;

export const entityList = z.object({ items: z.array(entity), pagination }).meta({ id: 'EntityList' });
export type EntityList = z.infer<typeof entityList>;

/** The operations that make a version. */
export const VERSION_OPERATIONS = ['create', 'update', 'delete', 'undelete', 'restore'] as const;

export const entityVersion = z
  .object({
    version: z.int().describe('Number of the version; the first is 1'),
    transaction_id: z.int().describe('Increases with every change of any entity'),
    updated_date: milliseconds.nullable(),
    updated_by: z.string().nullable(),
    operation_type: z.enum(VERSION_OPERATIONS),
    changed_fields: z.array(z.string()),
    label: z.string().nullable(),
    description: z.string().nullable(),
  })
  .meta({ id: 'EntityVersion', example: ENTITY_VERSION });
export type EntityVersion = z.infer<typeof entityVersion>;

export const fieldChange = z
  .object({ field: z.string(), from: z.unknown(), to: z.unknown() })
  .meta({ id: 'FieldChange' });
export type FieldChange = z.infer<typeof fieldChange>;

export const versionDiff = z
  .object({
    entity_id: z.int(),
    from_version: z.int(),
    to_version: z.int(),
    changes: z.array(fieldChange),
  })
  .meta({ id: 'VersionDiff' });
export type VersionDiff = z.infer<typeof versionDiff>;

/** All metadata of the file; `pending` until all of it has been read. */
export const entityMetadata = z
  .object({
    entity_id: z.int(),
    status: z.enum(['pending', 'complete', 'failed']),
    error: z.string().nullable(),
    tags: z.record(z.string(), z.unknown()).describe('Tags by the names that exiftool and ffprobe use'),
  })
  .meta({ id: 'EntityMetadata' });
export type EntityMetadata = z.infer<typeof entityMetadata>;

/** Paths from which a browser can fetch the entity's bytes without a token until `expires_at`. */
export const signedUrls = z
  .object({
    expires_at: milliseconds,
    media: z.string(),
    preview: z.string(),
    stream: z.string(),
  })
  .meta({ id: 'SignedUrls', example: SIGNED_URLS });
export type SignedUrls = z.infer<typeof signedUrls>;
