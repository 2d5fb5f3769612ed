/** Preferences, audit and storage of the store, for admins. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import { milliseconds } from './fields.js';

export const storeRoot = z.object({
  status: z.literal('healthy'),
  service: z.string(),
  version: z.string(),
  guestMode: z.enum(['on', 'off']).describe('on: anyone may read'),
});
export type StoreRoot = z.infer<typeof storeRoot>;

export const storePreferences = z.object({
  guest_mode: z.boolean().describe('True: anyone may read; writing always needs the right'),
  updated_at: milliseconds.nullable(),
  updated_by: z.string().nullable(),
});
export type StorePreferences = z.infer<typeof storePreferences>;

export const guestModeSaved = z.object({ guest_mode: z.boolean(), message: z.string() });

/** Disagreements between database, media folder and broker. All lists are empty in a healthy store. */
export const auditReport = z.object({
  orphaned_files: z
    .array(z.object({ file_path: z.string(), absolute_path: z.string() }))
    .describe(
      'Files that no row refers to, previews and pictures of faces too; both paths are relative to the media folder',
    ),
  orphaned_faces: z
    .array(z.object({ face_id: z.int(), entity_id: z.int(), file_path: z.string().nullable() }))
    .describe('Faces whose picture is not there'),
  orphaned_vectors: z
    .array(z.object({ vector_id: z.int(), collection_name: z.string() }))
    .describe('Vectors of entities or faces that are gone'),
  orphaned_mqtt: z
    .array(z.object({ entity_id: z.int(), topic: z.string() }))
    .describe('Retained messages on the state of entities that are gone'),
  orphaned_jobs: z
    .array(z.object({ job_id: z.string() }))
    .describe('Jobs of the insight worker that nothing refers to; they hold copies of media'),
  missing_files: z
    .array(z.object({ file_path: z.string(), sha256: z.string(), entity_ids: z.array(z.int()) }))
    .describe('Files that a row refers to and that are not there'),
  damaged_files: z
    .array(z.object({ file_path: z.string(), sha256: z.string(), actual_sha256: z.string().nullable() }))
    .describe('Files whose bytes are not what was uploaded; only looked for on request'),
  truncated: z.boolean().describe('True where a list was cut at 10,000 items'),
  timestamp: milliseconds,
});
export type AuditReport = z.infer<typeof auditReport>;

export const cleanupReport = z.object({
  files_deleted: z.int(),
  faces_deleted: z.int().describe('Lost pictures of faces that were struck off; they are cut out anew'),
  vectors_deleted: z.int(),
  jobs_deleted: z.int(),
  mqtt_cleared: z.int(),
});
export type CleanupReport = z.infer<typeof cleanupReport>;

export const purgeReport = z.object({ entities_deleted: z.int(), bytes_freed: z.int() });
export type PurgeReport = z.infer<typeof purgeReport>;

export const storageUse = z.object({
  files: z.int().describe('Different contents kept'),
  bytes: z.int().describe('Their size; each content counts once'),
  entities: z.int(),
  deleted_entities: z.int(),
  free_bytes: z.int().nullable().describe('Space left where the media folder is'),
  users: z
    .array(
      z.object({
        user_id: z
          .string()
          .nullable()
          .describe('Null: guests; m-insight and store are the jobs of the platform itself'),
        entities: z.int(),
        bytes: z.int().describe('Of the entities that the user added'),
        job_input_bytes: z.int().describe('Files that the jobs of the user work on'),
        job_result_bytes: z.int().describe('Results of the jobs of the user'),
        upload_bytes: z.int().describe('Unfinished uploads, at the size that they will have'),
        stream_bytes: z.int().describe('HLS streams of the videos that the user added'),
        total_bytes: z.int().describe('What counts against the quota'),
        quota: z.int().nullable().describe('Null: no limit'),
      }),
    )
    .describe('What each user keeps'),
});
export type StorageUse = z.infer<typeof storageUse>;

export const getStoreRoot = endpoint({
  id: 'store_root',
  method: 'GET',
  path: '/',
  guard: 'public',
  tag: 'store',
  summary: 'That the service answers, and whether anyone may read',
  responses: { 200: { description: 'Healthy', schema: storeRoot } },
});

export const getStorePreferences = endpoint({
  id: 'get_store_pref',
  method: 'GET',
  path: '/admin/pref',
  aliases: ['/admin/config'],
  guard: 'admin',
  tag: 'admin',
  summary: 'The preferences, and who set them when',
  responses: { 200: { description: 'Preferences', schema: storePreferences } },
});

export const setStoreGuestMode = endpoint({
  id: 'set_store_guest_mode',
  method: 'PUT',
  path: '/admin/pref/guest-mode',
  aliases: ['/admin/config/guest-mode'],
  guard: 'admin',
  tag: 'admin',
  summary: 'Let anyone read, or only users with the right',
  form: z.object({ guest_mode: field.bool() }),
  responses: { 200: { description: 'Saved', schema: guestModeSaved } },
});

export const auditStore = endpoint({
  id: 'audit_store',
  method: 'GET',
  path: '/system/audit',
  guard: 'admin',
  tag: 'system',
  summary: 'Compare database, media folder and broker',
  query: z.object({ verify: field.bool().default(false).describe('Read every file and compare its SHA-256; slow') }),
  responses: { 200: { description: 'What does not fit', schema: auditReport } },
});

export const clearOrphans = endpoint({
  id: 'clear_orphans',
  method: 'POST',
  path: '/system/clear-orphans',
  guard: 'admin',
  tag: 'system',
  summary: 'Remove what nothing refers to; files that were uploaded are set aside for 30 days first',
  query: z.object({
    confirm: field
      .bool()
      .default(false)
      .describe('Needed where more than 20 files, and more than a tenth of all, would be set aside'),
  }),
  responses: {
    200: { description: 'What was removed', schema: cleanupReport },
    409: { description: 'The media folder belongs to another database, or a confirmation is needed' },
  },
});

export const purgeTrash = endpoint({
  id: 'purge_trash',
  method: 'POST',
  path: '/system/purge-trash',
  guard: 'admin',
  tag: 'system',
  summary: 'Remove for good what was deleted some days ago',
  form: z.object({ days: field.int({ ge: 0, le: 100_000 }).default(30) }),
  responses: { 200: { description: 'What was removed', schema: purgeReport } },
});

export const getStorageUse = endpoint({
  id: 'get_storage_use',
  method: 'GET',
  path: '/system/storage',
  guard: 'admin',
  tag: 'system',
  summary: 'How much is kept, for whom, and how much space is left',
  responses: { 200: { description: 'The sums', schema: storageUse } },
});

export const adminEndpoints: readonly AnyEndpoint[] = [
  getStoreRoot,
  getStorePreferences,
  setStoreGuestMode,
  auditStore,
  clearOrphans,
  purgeTrash,
  getStorageUse,
];
