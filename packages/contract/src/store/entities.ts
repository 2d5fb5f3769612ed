/** Endpoints on entities and their versions. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import { entity, entityList, entityMetadata, entityQuery, entityVersion, versionDiff } from './entity.js';
import { composedText, emptyIsFalse, emptyIsNull, entityParams, MAX_DESCRIPTION, MAX_LABEL } from './fields.js';

const one = { description: 'The entity', schema: entity };
const missing = { description: 'No such entity' };
const label = composedText({ max: MAX_LABEL });
const description = composedText({ max: MAX_DESCRIPTION });

/** A label and a description of the longest, three bytes to a character, and what a form needs around them. */
const MAX_ENTITY_FORM = 3 * (MAX_LABEL + MAX_DESCRIPTION) + 14_000;

const mediaParts = {
  media_file: { required: false, description: 'The file of a media entity; its type is decided by content' },
  image: { required: false, description: 'Earlier name of `media_file`' },
} as const;

const uploadErrors = {
  413: { description: 'The file, or the user’s share of the storage, is too large' },
  422: { description: 'The fields, the file or the parent do not fit' },
  507: { description: 'The server has no space left' },
} as const;

export const listEntities = endpoint({
  id: 'list_entities',
  method: 'GET',
  path: '/entities',
  guard: 'read',
  tag: 'entity',
  summary: 'Entities that match all filters, the newest first',
  query: entityQuery,
  responses: { 200: { description: 'A page', schema: entityList } },
});

export const lookupEntity = endpoint({
  id: 'lookup_entity',
  method: 'GET',
  path: '/entities/lookup',
  guard: 'read',
  tag: 'entity',
  summary: 'The one media entity of a digest, or the one collection of a label; deleted ones are not found',
  query: z.object({
    md5: field.filter(128),
    sha256: field.filter(128),
    label: field.filter(MAX_LABEL).transform((value) => value?.normalize('NFC')),
  }),
  responses: {
    200: one,
    400: { description: 'Neither digest nor label' },
    404: { description: 'None matches' },
    409: { description: 'Several match' },
  },
});

export const createEntity = endpoint({
  id: 'create_entity',
  method: 'POST',
  path: '/entities',
  guard: 'write',
  tag: 'entity',
  summary: 'Add a collection, or a media file; bytes that a live entity has already answer 200 with that entity',
  form: z.object({
    is_collection: field.bool(),
    label: label.optional(),
    description: description.optional(),
    parent_id: field.int().optional(),
  }),
  maxBody: MAX_ENTITY_FORM,
  files: mediaParts,
  responses: { 201: one, 200: { description: 'The entity that has these bytes', schema: entity }, ...uploadErrors },
});

export const getEntity = endpoint({
  id: 'get_entity',
  method: 'GET',
  path: '/entities/{entity_id}',
  guard: 'read',
  tag: 'entity',
  summary: 'One entity, deleted ones too; with `version` as it was then',
  params: entityParams,
  query: z.object({ version: field.int().optional() }),
  responses: { 200: one, 404: missing },
});

export const replaceEntity = endpoint({
  id: 'put_entity',
  method: 'PUT',
  path: '/entities/{entity_id}',
  guard: 'write',
  tag: 'entity',
  summary: 'Replace label, description and parent (absent: null), and the file where one is sent',
  params: entityParams,
  form: z.object({
    is_collection: field.bool(),
    label: composedText({ max: MAX_LABEL, min: 1 }),
    description: description.optional(),
    parent_id: field.int().optional(),
  }),
  maxBody: MAX_ENTITY_FORM,
  files: mediaParts,
  responses: {
    200: one,
    400: { description: 'The kind cannot change, or a collection was sent a file' },
    404: missing,
    409: { description: 'Another entity has these bytes' },
    ...uploadErrors,
  },
});

export const patchEntity = endpoint({
  id: 'patch_entity',
  method: 'PATCH',
  path: '/entities/{entity_id}',
  guard: 'write',
  tag: 'entity',
  summary: 'Change what is sent and keep the rest; an empty text clears. `is_deleted` deletes and restores',
  params: entityParams,
  presence: true,
  form: z.object({
    label: emptyIsNull(label).optional().meta({ type: 'string' }),
    description: emptyIsNull(description).optional().meta({ type: 'string' }),
    parent_id: emptyIsNull(field.int()).optional().meta({ type: 'integer' }),
    is_deleted: emptyIsFalse().optional(),
  }),
  maxBody: MAX_ENTITY_FORM,
  responses: {
    200: one,
    404: missing,
    409: { description: 'Restoring would give two live entities the same bytes' },
    422: { description: 'The fields or the parent do not fit' },
  },
});

export const deleteEntity = endpoint({
  id: 'delete_entity',
  method: 'DELETE',
  path: '/entities/{entity_id}',
  guard: 'write',
  tag: 'entity',
  summary: 'Remove for good an entity that was deleted before, with everything in it, its history and its files',
  params: entityParams,
  responses: { 204: { description: 'Gone' }, 400: { description: 'It is not deleted yet' }, 404: missing },
});

export const getMetadata = endpoint({
  id: 'get_entity_metadata',
  method: 'GET',
  path: '/entities/{entity_id}/metadata',
  guard: 'read',
  tag: 'entity',
  summary: 'Everything that could be read from the file, and what could not',
  params: entityParams,
  query: z.object({ version: field.int().optional().describe('Of the file as it was in this version') }),
  responses: {
    200: { description: 'The metadata', schema: entityMetadata },
    400: { description: 'A collection has none' },
    404: missing,
  },
});

export const listVersions = endpoint({
  id: 'list_entity_versions',
  method: 'GET',
  path: '/entities/{entity_id}/versions',
  guard: 'read',
  tag: 'version',
  summary: 'Every change of the entity, the oldest first: who, when, which fields',
  params: entityParams,
  query: z.object({
    after: field.int({ ge: 0 }).default(0).describe('Only versions after this one'),
    limit: field.int({ ge: 1, le: 1_000 }).optional().describe('Absent: all of them'),
  }),
  responses: { 200: { description: 'The versions', schema: z.array(entityVersion) }, 404: missing },
});

export const diffVersions = endpoint({
  id: 'diff_entity_versions',
  method: 'GET',
  path: '/entities/{entity_id}/versions/diff',
  guard: 'read',
  tag: 'version',
  summary: 'Which fields differ between two versions, and how',
  params: entityParams,
  query: z.object({
    from: field.int({ ge: 1 }),
    to: field.int({ ge: 1 }).optional().describe('Absent: the newest'),
  }),
  responses: { 200: { description: 'The differences', schema: versionDiff }, 404: missing },
});

export const restoreVersion = endpoint({
  id: 'restore_entity_version',
  method: 'POST',
  path: '/entities/{entity_id}/versions/{version}/restore',
  guard: 'write',
  tag: 'version',
  summary: 'Make the entity what it was in a version, its file included; this is a new version',
  params: entityParams.extend({ version: field.int() }),
  responses: {
    200: one,
    404: { description: 'No such entity or version' },
    409: { description: 'Another live entity has the bytes of that version' },
    422: { description: 'The parent of that version cannot take it any more' },
  },
});

export const entityEndpoints: readonly AnyEndpoint[] = [
  listEntities,
  lookupEntity,
  createEntity,
  getEntity,
  replaceEntity,
  patchEntity,
  deleteEntity,
  getMetadata,
  listVersions,
  diffVersions,
  restoreVersion,
];
