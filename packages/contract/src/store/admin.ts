/** Preferences, audit and storage of the store. All endpoints except the health check are for admins. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import { milliseconds } from './fields.js';

/** The MQTT topics of the store. Their number is the port that the store listens on, which a proxy may hide from clients. */
export const storeTopics = z
  .object({
    items: z.string().describe('New contents'),
    entities: z.string().describe('Changes of entities'),
    insights: z
      .string()
      .describe('States of the insights of entities, each on a topic below: `/` and the id of the entity'),
  })
  .meta({ id: 'StoreTopics' });
export type StoreTopics = z.infer<typeof storeTopics>;

export const storeRoot = z
  .object({
    status: z.literal('healthy'),
    service: z.string(),
    version: z.string(),
    guestMode: z.enum(['on', 'off']).describe('`on` if anyone may read'),
    topics: storeTopics.optional().describe('Absent from earlier releases'),
  })
  .meta({ id: 'StoreRoot' });
export type StoreRoot = z.infer<typeof storeRoot>;

export const storePreferences = z
  .object({
    guest_mode: z.boolean().describe('True if anyone may read; writing always needs the permission'),
    updated_at: milliseconds.nullable(),
    updated_by: z.string().nullable(),
  })
  .meta({ id: 'StorePreferences' });
export type StorePreferences = z.infer<typeof storePreferences>;

export const guestModeSaved = z.object({ guest_mode: z.boolean(), message: z.string() }).meta({ id: 'GuestModeSaved' });

/** Contradictions between database, media folder and broker. All lists are empty in a healthy store. */
export const auditReport = z
  .object({
    orphaned_files: z
      .array(z.object({ file_path: z.string(), absolute_path: z.string() }))
      .describe(
        'Files to which no database row refers, including previews and pictures of faces; paths are relative to the media folder',
      ),
    orphaned_faces: z
      .array(z.object({ face_id: z.int(), entity_id: z.int(), file_path: z.string().nullable() }))
      .describe('Faces whose picture is missing'),
    orphaned_vectors: z
      .array(z.object({ vector_id: z.int(), collection_name: z.string() }))
      .describe('Vectors of deleted entities or faces'),
    orphaned_mqtt: z
      .array(z.object({ entity_id: z.int(), topic: z.string() }))
      .describe('Retained status messages of deleted entities'),
    orphaned_jobs: z
      .array(z.object({ job_id: z.string() }))
      .describe('Insight jobs to which nothing refers; they hold copies of media'),
    missing_files: z
      .array(z.object({ file_path: z.string(), sha256: z.string(), entity_ids: z.array(z.int()) }))
      .describe('Missing files to which a database row refers'),
    damaged_files: z
      .array(z.object({ file_path: z.string(), sha256: z.string(), actual_sha256: z.string().nullable() }))
      .describe('Files whose bytes differ from the upload; only checked on request'),
    truncated: z.boolean().describe('True if a list was cut off at 10,000 items'),
    timestamp: milliseconds,
  })
  .meta({ id: 'AuditReport' });
export type AuditReport = z.infer<typeof auditReport>;

export const cleanupReport = z
  .object({
    files_deleted: z.int(),
    faces_deleted: z.int().describe('Deleted references to lost pictures of faces; the pictures are made again'),
    vectors_deleted: z.int(),
    jobs_deleted: z.int(),
    mqtt_cleared: z.int(),
  })
  .meta({ id: 'CleanupReport' });
export type CleanupReport = z.infer<typeof cleanupReport>;

export const purgeReport = z.object({ entities_deleted: z.int(), bytes_freed: z.int() }).meta({ id: 'PurgeReport' });
export type PurgeReport = z.infer<typeof purgeReport>;

export const storageUse = z
  .object({
    files: z.int().describe('Number of different contents'),
    bytes: z.int().describe('Their total size in bytes; each content counts once'),
    entities: z.int(),
    deleted_entities: z.int(),
    free_bytes: z.int().nullable().describe('Free space on the file system of the media folder'),
    users: z
      .array(
        z.object({
          user_id: z
            .string()
            .nullable()
            .describe('Null for guests; `m-insight` and `store` own the jobs of the platform itself'),
          entities: z.int(),
          bytes: z.int().describe('Bytes of the entities that the user added'),
          job_input_bytes: z.int().describe('Bytes of the input files of the user’s jobs'),
          job_result_bytes: z.int().describe('Bytes of the results of the user’s jobs'),
          upload_bytes: z.int().describe('Bytes of unfinished uploads, at their announced size'),
          stream_bytes: z.int().describe('Bytes of the HLS streams of the user’s videos'),
          total_bytes: z.int().describe('The bytes that count against the quota'),
          quota: z.int().nullable().describe('Null if there is no limit'),
        }),
      )
      .describe('Storage of each user'),
  })
  .meta({ id: 'StorageUse' });
export type StorageUse = z.infer<typeof storageUse>;

export const getStoreRoot = endpoint({
  id: 'store_root',
  method: 'GET',
  path: '/',
  guard: 'public',
  tag: 'store',
  summary: 'Health check and guest-mode flag',
  responses: { 200: { description: 'Healthy', schema: storeRoot } },
});

export const getStorePreferences = endpoint({
  id: 'get_store_pref',
  method: 'GET',
  path: '/admin/pref',
  aliases: ['/admin/config'],
  guard: 'admin',
  tag: 'admin',
  summary: 'Preferences, with the time of the last change and its author',
  responses: { 200: { description: 'Preferences', schema: storePreferences } },
});

export const setStoreGuestMode = endpoint({
  id: 'set_store_guest_mode',
  method: 'PUT',
  path: '/admin/pref/guest-mode',
  aliases: ['/admin/config/guest-mode'],
  guard: 'admin',
  tag: 'admin',
  summary: 'Set guest mode: let anyone read, or only users with the permission',
  form: z.object({ guest_mode: field.bool().meta({ example: false }) }),
  responses: { 200: { description: 'Saved', schema: guestModeSaved } },
});

export const auditStore = endpoint({
  id: 'audit_store',
  method: 'GET',
  path: '/system/audit',
  guard: 'admin',
  tag: 'system',
  summary: 'Compare the database with the media folder and the broker',
  query: z.object({ verify: field.bool().default(false).describe('Read every file and compare its SHA-256; slow') }),
  responses: { 200: { description: 'The differences', schema: auditReport } },
});

export const clearOrphans = endpoint({
  id: 'clear_orphans',
  method: 'POST',
  path: '/system/clear-orphans',
  guard: 'admin',
  tag: 'system',
  summary: 'Remove unreferenced files and records. Uploaded files are first set aside for 30 days',
  query: z.object({
    confirm: field
      .bool()
      .default(false)
      .describe('Required if more than 20 files and more than a tenth of all files would be set aside'),
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
  summary: 'Permanently delete the entities that were moved to the trash some days ago',
  form: z.object({ days: field.int({ ge: 0, le: 100_000 }).default(30) }),
  responses: { 200: { description: 'What was removed', schema: purgeReport } },
});

export const getStorageUse = endpoint({
  id: 'get_storage_use',
  method: 'GET',
  path: '/system/storage',
  guard: 'admin',
  tag: 'system',
  summary: 'Storage in use, in total and by user, and the free space',
  responses: { 200: { description: 'The totals', schema: storageUse } },
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
