/** Insights of entities: shapes and endpoints. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import { entityParams, milliseconds } from './fields.js';

const point = z.tuple([z.number(), z.number()]);

export const face = z.object({
  id: z.int(),
  entity_id: z.int(),
  known_person_id: z.int().nullable(),
  bbox: z
    .object({ x1: z.number(), y1: z.number(), x2: z.number(), y2: z.number() })
    .describe('Parts of width and height, 0 to 1'),
  confidence: z.number(),
  doubtful: z.boolean().describe('May be no face: it is listed, but begins no person'),
  landmarks: z.object({
    right_eye: point,
    left_eye: point,
    nose_tip: point,
    mouth_right: point,
    mouth_left: point,
  }),
  file_path: z.string().describe('Of the cut-out, relative to the media folder'),
  created_at: milliseconds,
});
export type Face = z.infer<typeof face>;

export const knownPerson = z.object({
  id: z.int(),
  name: z.string().nullable(),
  created_at: milliseconds,
  updated_at: milliseconds,
  face_count: z.int(),
  hidden: z.boolean().describe('Left out of the list'),
});
export type KnownPerson = z.infer<typeof knownPerson>;

export const entityJob = z.object({
  job_id: z.string(),
  task_type: z.string(),
  started_at: milliseconds,
  status: z.string(),
  progress: z.int(),
  completed_at: milliseconds.nullable(),
  error_message: z.string().nullable(),
});
export type EntityJob = z.infer<typeof entityJob>;

/**
 * The state of each insight: pending, processing, completed, failed, not_applicable or waiting_for_model. Insights of plugins
 * have further keys.
 */
export const inferenceStatus = z
  .object({
    hash: z.string(),
    media_thumbnail: z.string().describe('Of a video: its preview'),
    face_detection: z.string(),
    clip_embedding: z.string(),
    dino_embedding: z.string(),
    hls_streaming: z.string(),
    face_embeddings: z.array(z.string()).nullable(),
  })
  .catchall(z.union([z.string(), z.array(z.string()), z.null()]));
export type InferenceStatus = z.infer<typeof inferenceStatus>;

/** What an insight of a plugin found out. */
export const insightResult = z.object({
  insight: z.string().describe('Name of the insight'),
  subject: z.string().describe('Empty for the entity as a whole, or the number of a frame'),
  value: z.unknown().describe('As the plugin defines it'),
  updated_at: milliseconds,
});
export type InsightResult = z.infer<typeof insightResult>;

export const intelligence = z.object({
  overall_status: z.string(),
  last_processed_md5: z.string().nullable(),
  last_processed_version: z.int().nullable(),
  face_count: z.int().nullable(),
  active_processing_md5: z.string().nullable(),
  active_jobs: z.array(entityJob),
  job_history: z.array(entityJob),
  inference_status: inferenceStatus,
  last_updated: milliseconds,
  error_message: z.string().nullable(),
  notice: z.string().nullable().optional().describe('What to do where something waits for a model'),
});
export type Intelligence = z.infer<typeof intelligence>;

/** State of the insight worker, as it said last. */
export const insightStatus = z.object({
  status: z.string().describe('unknown, running, idle or offline'),
  timestamp: milliseconds,
  version_start: z.int().nullable(),
  version_end: z.int().nullable(),
  processed_count: z.int().nullable(),
  pending: z.int().optional().describe('Inferences still to be done'),
  running: z.int().optional().describe('Inferences whose jobs are queued or running'),
  failed: z.int().optional().describe('Inferences that failed and wait to be retried'),
  waiting: z.int().optional().describe('Inferences that wait for a model; they count as neither pending nor failed'),
  rate: z.number().optional().describe('Inferences a minute, lately'),
  seconds_left: z.int().nullable().optional().describe('At that rate; null where none can be told'),
});
export type InsightStatus = z.infer<typeof insightStatus>;

const noEntity = { description: 'No such entity' };
const noPerson = { description: 'No such person' };
const faceParams = z.object({ face_id: field.int() });
const personParams = z.object({ person_id: field.int() });
const vectorFile = { description: 'A vector of 32-bit floats as a NumPy file', content: 'application/octet-stream' };

export const getInsightStatus = endpoint({
  id: 'get_m_insight_status',
  method: 'GET',
  path: '/m_insight/status',
  guard: 'admin',
  tag: 'intelligence',
  summary: 'What the insight worker is doing',
  responses: { 200: { description: 'Its state; null before it was ever heard', schema: insightStatus.nullable() } },
});

export const getIntelligence = endpoint({
  id: 'get_entity_intelligence',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}',
  guard: 'read',
  tag: 'intelligence',
  summary: 'How far the understanding of an entity is',
  params: entityParams,
  responses: {
    200: { description: 'Its state; null before any work', schema: intelligence.nullable() },
    404: noEntity,
  },
});

export const getEntityFaces = endpoint({
  id: 'get_entity_faces',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}/faces',
  guard: 'read',
  tag: 'intelligence',
  summary: 'Faces found in an entity',
  params: entityParams,
  responses: { 200: { description: 'The faces', schema: z.array(face) }, 404: noEntity },
});

export const getEntityJobs = endpoint({
  id: 'get_entity_jobs',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}/jobs',
  guard: 'read',
  tag: 'intelligence',
  summary: 'Jobs done for an entity: the running ones, then the ended ones',
  params: entityParams,
  responses: { 200: { description: 'The jobs', schema: z.array(entityJob) }, 404: noEntity },
});

export const getInsightResults = endpoint({
  id: 'get_entity_insight_results',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}/results',
  guard: 'read',
  tag: 'intelligence',
  summary: 'Results of the insights that plugins add',
  params: entityParams,
  responses: { 200: { description: 'The results', schema: z.array(insightResult) }, 404: noEntity },
});

export const getEntityVector = endpoint({
  id: 'get_entity_vector',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}/vectors/{kind}',
  guard: 'read',
  tag: 'intelligence',
  summary: 'Vector of an entity, of any insight that has one',
  params: entityParams.extend({
    kind: field.text({ min: 1, max: 64 }).describe('clip, dino, or the kind of a plugin'),
  }),
  responses: { 200: vectorFile, 404: { description: 'No such entity or kind, or it has no vector yet' } },
});

export const getClipEmbedding = endpoint({
  id: 'get_entity_clip_embedding',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}/clip_embedding',
  guard: 'read',
  tag: 'intelligence',
  summary: 'CLIP vector of an entity',
  params: entityParams,
  responses: { 200: vectorFile, 404: { description: 'No such entity, or it has no vector yet' } },
});

export const getDinoEmbedding = endpoint({
  id: 'get_entity_dino_embedding',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}/dino_embedding',
  guard: 'read',
  tag: 'intelligence',
  summary: 'DINO vector of an entity',
  params: entityParams,
  responses: { 200: vectorFile, 404: { description: 'No such entity, or it has no vector yet' } },
});

export const getFaceEmbedding = endpoint({
  id: 'get_face_embedding',
  method: 'GET',
  path: '/intelligence/faces/{face_id}/embedding',
  guard: 'read',
  tag: 'intelligence',
  summary: 'Vector of a face',
  params: faceParams,
  responses: { 200: vectorFile, 404: { description: 'No such face, or it has no vector yet' } },
});

export const deleteFace = endpoint({
  id: 'delete_face',
  method: 'DELETE',
  path: '/faces/{face_id}',
  guard: 'write',
  tag: 'intelligence',
  summary: 'Remove a face: its vector, its cut-out and its row',
  params: faceParams,
  responses: { 204: { description: 'Gone' }, 404: { description: 'No such face' } },
});

export const retryIntelligence = endpoint({
  id: 'retry_entity_intelligence',
  method: 'POST',
  path: '/intelligence/entities/{entity_id}/retry',
  guard: 'write',
  tag: 'intelligence',
  summary: 'Try again what failed for an entity',
  params: entityParams,
  responses: { 200: { description: 'Its state', schema: intelligence.nullable() }, 404: noEntity },
});

export const listKnownPersons = endpoint({
  id: 'list_known_persons',
  method: 'GET',
  path: '/intelligence/known-persons',
  guard: 'read',
  tag: 'intelligence',
  summary: 'Everyone whose face was seen',
  query: z.object({ include_hidden: field.bool().default(false) }),
  responses: { 200: { description: 'The persons', schema: z.array(knownPerson) } },
});

export const getKnownPerson = endpoint({
  id: 'get_known_person',
  method: 'GET',
  path: '/intelligence/known-persons/{person_id}',
  guard: 'read',
  tag: 'intelligence',
  summary: 'One person',
  params: personParams,
  responses: { 200: { description: 'The person', schema: knownPerson }, 404: noPerson },
});

export const getKnownPersonFaces = endpoint({
  id: 'get_known_person_faces',
  method: 'GET',
  path: '/intelligence/known-persons/{person_id}/faces',
  guard: 'read',
  tag: 'intelligence',
  summary: 'Faces of a person',
  params: personParams,
  responses: { 200: { description: 'The faces', schema: z.array(face) }, 404: noPerson },
});

export const renameKnownPerson = endpoint({
  id: 'rename_known_person',
  method: 'PATCH',
  path: '/intelligence/known-persons/{person_id}',
  guard: 'write',
  tag: 'intelligence',
  summary: 'Give a person a name',
  params: personParams,
  json: z.object({ name: z.string().normalize('NFC').min(1).max(255) }),
  responses: { 200: { description: 'The person', schema: knownPerson }, 404: noPerson },
});

export const intelligenceEndpoints: readonly AnyEndpoint[] = [
  getInsightStatus,
  getIntelligence,
  getEntityFaces,
  getEntityJobs,
  getInsightResults,
  getEntityVector,
  getClipEmbedding,
  getDinoEmbedding,
  getFaceEmbedding,
  retryIntelligence,
  deleteFace,
  listKnownPersons,
  getKnownPerson,
  getKnownPersonFaces,
  renameKnownPerson,
];
