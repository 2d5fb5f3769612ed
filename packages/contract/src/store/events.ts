/** MQTT messages of the store. */
import { z } from 'zod';
import { milliseconds } from './fields.js';

/** The message on `store/{port}/items`: a media entity was created, or its file was replaced. */
export const itemEvent = z.object({ id: z.int(), md5: z.string(), timestamp: milliseconds });
export type ItemEvent = z.infer<typeof itemEvent>;

export const ENTITY_CHANGES = ['created', 'updated', 'deleted', 'restored', 'removed'] as const;

/**
 * The message on `store/{port}/entities`: an entity changed. It keeps views up to date. `removed` means deleted
 * permanently.
 */
export const entityEvent = z.object({
  id: z.int(),
  change: z.enum(ENTITY_CHANGES),
  parent_id: z.int().nullable(),
  version: z.int().nullable(),
  timestamp: milliseconds,
});
export type EntityEvent = z.infer<typeof entityEvent>;

/**
 * The message on `mInsight/{port}/entity_item_status/{id}`, retained until one minute after the work has ended. Insights of
 * plugins add further keys.
 */
export const entityStatusEvent = z
  .object({
    entity_id: z.int(),
    status: z.string(),
    timestamp: milliseconds,
    face_detection: z.string().nullable(),
    face_count: z.int().nullable(),
    clip_embedding: z.string().nullable(),
    dino_embedding: z.string().nullable(),
    face_embeddings: z.array(z.string()).nullable(),
    hash: z.string().optional(),
    media_thumbnail: z.string().optional().describe('State of the preview of a video'),
  })
  .catchall(z.union([z.string(), z.number(), z.array(z.string()), z.null()]));
export type EntityStatusEvent = z.infer<typeof entityStatusEvent>;

/** The retained message on `store/{port}/reading`: whether everyone may read. */
export const storeReading = z.object({ open: z.boolean() });
export type StoreReading = z.infer<typeof storeReading>;
