/** Insights of entities: shapes and endpoints. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import { FACE, INTELLIGENCE, KNOWN_PERSON } from './examples.js';
import { entityParams, milliseconds } from './fields.js';

const point = z.tuple([z.number(), z.number()]);

export const face = z
  .object({
    id: z.int(),
    entity_id: z.int(),
    known_person_id: z.int().nullable(),
    bbox: z
      .object({ x1: z.number(), y1: z.number(), x2: z.number(), y2: z.number() })
      .describe('Box as fractions of width and height, 0 to 1'),
    confidence: z.number(),
    doubtful: z.boolean().describe('True if this may not be a face: it is listed, but no person is made from it'),
    landmarks: z.object({
      right_eye: point,
      left_eye: point,
      nose_tip: point,
      mouth_right: point,
      mouth_left: point,
    }),
    file_path: z.string().describe('Path of the cropped face, relative to the media folder'),
    created_at: milliseconds,
  })
  .meta({ id: 'Face', example: FACE });
export type Face = z.infer<typeof face>;

export const knownPerson = z
  .object({
    id: z.int(),
    name: z.string().nullable(),
    created_at: milliseconds,
    updated_at: milliseconds,
    face_count: z.int(),
    hidden: z.boolean().describe('True if the list of persons leaves this person out'),
  })
  .meta({ id: 'KnownPerson', example: KNOWN_PERSON });
export type KnownPerson = z.infer<typeof knownPerson>;

export const entityJob = z
  .object({
    job_id: z.string(),
    task_type: z.string(),
    started_at: milliseconds,
    status: z.string(),
    progress: z.int(),
    completed_at: milliseconds.nullable(),
    error_message: z.string().nullable(),
  })
  .meta({ id: 'EntityJob' });
export type EntityJob = z.infer<typeof entityJob>;

/**
 * The state of each insight: pending, processing, completed, failed, not_applicable or waiting_for_model. Insights of
 * plugins add further keys.
 */
export const inferenceStatus = z
  .object({
    hash: z.string(),
    media_thumbnail: z.string().describe('State of the preview of a video'),
    face_detection: z.string(),
    clip_embedding: z.string(),
    dino_embedding: z.string(),
    hls_streaming: z.string(),
    face_embeddings: z.array(z.string()).nullable(),
  })
  .catchall(z.union([z.string(), z.array(z.string()), z.null()]));
export type InferenceStatus = z.infer<typeof inferenceStatus>;

/** A result of an insight that a plugin brought. */
export const insightResult = z
  .object({
    insight: z.string().describe('Name of the insight'),
    subject: z.string().describe('Empty for the entity as a whole, or the number of a frame'),
    value: z.unknown().describe('Value in the form that the plugin defines'),
    updated_at: milliseconds,
  })
  .meta({ id: 'InsightResult' });
export type InsightResult = z.infer<typeof insightResult>;

export const intelligence = z
  .object({
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
    notice: z.string().nullable().optional().describe('What to do if an insight waits for a model'),
  })
  .meta({ id: 'Intelligence', example: INTELLIGENCE });
export type Intelligence = z.infer<typeof intelligence>;

/** State of the insight worker, from its last message. */
export const insightStatus = z
  .object({
    status: z.string().describe('unknown, running, idle or offline'),
    timestamp: milliseconds,
    version_start: z.int().nullable(),
    version_end: z.int().nullable(),
    processed_count: z.int().nullable(),
    pending: z.int().optional().describe('Number of inferences still to do'),
    running: z.int().optional().describe('Number of inferences whose jobs are queued or running'),
    failed: z.int().optional().describe('Number of failed inferences that wait for a retry'),
    waiting: z
      .int()
      .optional()
      .describe('Number of inferences that wait for a model; they count as neither pending nor failed'),
    rate: z.number().optional().describe('Recent number of inferences per minute'),
    seconds_left: z.int().nullable().optional().describe('Estimated seconds until all are done; null if unknown'),
  })
  .meta({ id: 'InsightStatus' });
export type InsightStatus = z.infer<typeof insightStatus>;

const noEntity = { description: 'The entity does not exist' };
const noPerson = { description: 'The person does not exist' };
const faceParams = z.object({ face_id: field.int() });
const personParams = z.object({ person_id: field.int() });
/** The responses of an endpoint that returns a vector of `subject`, such as "entity". */
const vectorOf = (subject: string) => ({
  200: { description: 'A vector of 32-bit floats as a NumPy file', content: 'application/octet-stream' },
  404: { description: `The ${subject} does not exist or has no vector yet` },
});

export const getInsightStatus = endpoint({
  id: 'get_m_insight_status',
  method: 'GET',
  path: '/m_insight/status',
  guard: 'admin',
  tag: 'intelligence',
  summary: 'State of the insight worker',
  responses: { 200: { description: 'The state; null before its first message', schema: insightStatus.nullable() } },
});

export const getIntelligence = endpoint({
  id: 'get_entity_intelligence',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}',
  guard: 'read',
  tag: 'intelligence',
  summary: 'State of the insights of an entity',
  params: entityParams,
  responses: {
    200: { description: 'The state; null before any work was planned', schema: intelligence.nullable() },
    404: noEntity,
  },
});

export const getEntityFaces = endpoint({
  id: 'get_entity_faces',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}/faces',
  guard: 'read',
  tag: 'intelligence',
  summary: 'List the faces found in an entity',
  params: entityParams,
  responses: { 200: { description: 'The faces', schema: z.array(face) }, 404: noEntity },
});

export const getEntityJobs = endpoint({
  id: 'get_entity_jobs',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}/jobs',
  guard: 'read',
  tag: 'intelligence',
  summary: 'List the insight jobs of an entity: first the running ones, then the ended ones',
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
  responses: vectorOf('entity or kind'),
});

export const getClipEmbedding = endpoint({
  id: 'get_entity_clip_embedding',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}/clip_embedding',
  guard: 'read',
  tag: 'intelligence',
  summary: 'CLIP vector of an entity',
  params: entityParams,
  responses: vectorOf('entity'),
});

export const getDinoEmbedding = endpoint({
  id: 'get_entity_dino_embedding',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}/dino_embedding',
  guard: 'read',
  tag: 'intelligence',
  summary: 'DINO vector of an entity',
  params: entityParams,
  responses: vectorOf('entity'),
});

export const getFaceEmbedding = endpoint({
  id: 'get_face_embedding',
  method: 'GET',
  path: '/intelligence/faces/{face_id}/embedding',
  guard: 'read',
  tag: 'intelligence',
  summary: 'Vector of a face',
  params: faceParams,
  responses: vectorOf('face'),
});

export const deleteFace = endpoint({
  id: 'delete_face',
  method: 'DELETE',
  path: '/faces/{face_id}',
  guard: 'write',
  tag: 'intelligence',
  summary: 'Delete a face with its vector and its picture',
  params: faceParams,
  responses: { 204: { description: 'Deleted' }, 404: { description: 'The face does not exist' } },
});

export const retryIntelligence = endpoint({
  id: 'retry_entity_intelligence',
  method: 'POST',
  path: '/intelligence/entities/{entity_id}/retry',
  guard: 'write',
  tag: 'intelligence',
  summary: 'Retry the failed insights of an entity',
  params: entityParams,
  responses: { 200: { description: 'The state', schema: intelligence.nullable() }, 404: noEntity },
});

export const listKnownPersons = endpoint({
  id: 'list_known_persons',
  method: 'GET',
  path: '/intelligence/known-persons',
  guard: 'read',
  tag: 'intelligence',
  summary: 'List all persons whose faces were found',
  query: z.object({ include_hidden: field.bool().default(false).describe('Also list hidden persons') }),
  responses: { 200: { description: 'The persons', schema: z.array(knownPerson) } },
});

export const getKnownPerson = endpoint({
  id: 'get_known_person',
  method: 'GET',
  path: '/intelligence/known-persons/{person_id}',
  guard: 'read',
  tag: 'intelligence',
  summary: 'Get one person',
  params: personParams,
  responses: { 200: { description: 'The person', schema: knownPerson }, 404: noPerson },
});

export const getKnownPersonFaces = endpoint({
  id: 'get_known_person_faces',
  method: 'GET',
  path: '/intelligence/known-persons/{person_id}/faces',
  guard: 'read',
  tag: 'intelligence',
  summary: 'List the faces of a person',
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
  json: z.object({
    name: z.string().normalize('NFC').min(1).max(255).meta({ example: 'Ann' }),
  }),
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
