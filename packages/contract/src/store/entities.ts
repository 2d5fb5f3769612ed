/** Endpoints on entities and their versions. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import { entity, entityList, entityMetadata, entityQuery, entityVersion, versionDiff } from './entity.js';
import { composedText, emptyIsFalse, emptyIsNull, entityParams, MAX_DESCRIPTION, MAX_LABEL } from './fields.js';

const one = { description: 'The entity', schema: entity };
const missing = { description: 'The entity does not exist' };
const label = composedText({ max: MAX_LABEL });
const description = composedText({ max: MAX_DESCRIPTION });

/** Room for a label and a description of maximum length, three bytes for each character, and the overhead of a form. */
const MAX_ENTITY_FORM = 3 * (MAX_LABEL + MAX_DESCRIPTION) + 14_000;

const mediaParts = {
  media_file: { required: false, description: 'The file of a media entity; its content decides its type' },
  image: { required: false, description: 'Deprecated name of `media_file`' },
} as const;

const uploadErrors = {
  413: { description: 'The file is too large, or the user’s quota is used up' },
  422: { description: 'A field, the file or the parent is invalid' },
  507: { description: 'The server has no space left' },
} as const;

export const listEntities = endpoint({
  id: 'list_entities',
  method: 'GET',
  path: '/entities',
  guard: 'read',
  tag: 'entity',
  summary: 'List the entities that match all filters, the newest first',
  query: entityQuery,
  responses: { 200: { description: 'A page', schema: entityList } },
});

export const lookupEntity = endpoint({
  id: 'lookup_entity',
  method: 'GET',
  path: '/entities/lookup',
  guard: 'read',
  tag: 'entity',
  summary: 'Find one media entity by digest, or one collection by label; deleted entities are not found',
  query: z.object({
    md5: field.filter(128).describe('MD5 of a file, hexadecimal'),
    sha256: field.filter(128).describe('SHA-256 of a file, hexadecimal'),
    label: field
      .filter(MAX_LABEL)
      .transform((value) => value?.normalize('NFC'))
      .describe('Label of a collection, exactly'),
  }),
  responses: {
    200: one,
    400: { description: 'Neither a digest nor a label is given' },
    404: { description: 'No entity matches' },
    409: { description: 'Several entities match' },
  },
});

export const createEntity = endpoint({
  id: 'create_entity',
  method: 'POST',
  path: '/entities',
  guard: 'write',
  tag: 'entity',
  summary:
    'Add a collection or a media file. If a live entity already has the same bytes, the answer is 200 with that entity',
  form: z.object({
    is_collection: field.bool().meta({ example: false }),
    label: label.optional().meta({ example: 'Beach' }),
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
  summary: 'Get one entity, even a deleted one; with `version` its earlier state',
  params: entityParams,
  query: z.object({ version: field.int().optional().describe('The entity as it was in this version') }),
  responses: { 200: one, 404: missing },
});

export const replaceEntity = endpoint({
  id: 'put_entity',
  method: 'PUT',
  path: '/entities/{entity_id}',
  guard: 'write',
  tag: 'entity',
  summary: 'Replace label, description and parent (absent fields become null), and the file if one is sent',
  params: entityParams,
  form: z.object({
    is_collection: field.bool().meta({ example: false }),
    label: composedText({ max: MAX_LABEL, min: 1 }).meta({ example: 'Beach' }),
    description: description.optional(),
    parent_id: field.int().optional(),
  }),
  maxBody: MAX_ENTITY_FORM,
  files: mediaParts,
  responses: {
    200: one,
    400: { description: 'The request would change the kind of the entity, or it sends a file to a collection' },
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
  summary:
    'Change the fields that are sent and keep the others; an empty text clears a field. `is_deleted` moves to the trash and restores',
  params: entityParams,
  presence: true,
  form: z.object({
    label: emptyIsNull(label).optional().meta({ type: 'string', example: 'Beach' }),
    description: emptyIsNull(description).optional().meta({ type: 'string' }),
    parent_id: emptyIsNull(field.int()).optional().meta({ type: 'integer' }),
    is_deleted: emptyIsFalse().optional(),
  }),
  maxBody: MAX_ENTITY_FORM,
  responses: {
    200: one,
    404: missing,
    409: { description: 'Restoring would give two live entities the same bytes' },
    422: { description: 'A field or the parent is invalid' },
  },
});

export const deleteEntity = endpoint({
  id: 'delete_entity',
  method: 'DELETE',
  path: '/entities/{entity_id}',
  guard: 'write',
  tag: 'entity',
  summary: 'Permanently delete an entity from the trash, with everything in it, its history and its files',
  params: entityParams,
  responses: { 204: { description: 'Deleted' }, 400: { description: 'The entity is not in the trash' }, 404: missing },
});

export const getMetadata = endpoint({
  id: 'get_entity_metadata',
  method: 'GET',
  path: '/entities/{entity_id}/metadata',
  guard: 'read',
  tag: 'entity',
  summary: 'All metadata of the file, and the errors while reading it',
  params: entityParams,
  query: z.object({ version: field.int().optional().describe('Metadata of the file of this version') }),
  responses: {
    200: { description: 'The metadata', schema: entityMetadata },
    400: { description: 'A collection has no metadata' },
    404: missing,
  },
});

export const listVersions = endpoint({
  id: 'list_entity_versions',
  method: 'GET',
  path: '/entities/{entity_id}/versions',
  guard: 'read',
  tag: 'version',
  summary: 'List all changes of the entity, the oldest first, each with author, time and fields',
  params: entityParams,
  query: z.object({
    after: field.int({ ge: 0 }).default(0).describe('Only versions after this one'),
    limit: field.int({ ge: 1, le: 1_000 }).optional().describe('Absent for all versions'),
  }),
  responses: { 200: { description: 'The versions', schema: z.array(entityVersion) }, 404: missing },
});

export const diffVersions = endpoint({
  id: 'diff_entity_versions',
  method: 'GET',
  path: '/entities/{entity_id}/versions/diff',
  guard: 'read',
  tag: 'version',
  summary: 'Compare two versions field by field',
  params: entityParams,
  query: z.object({
    from: field.int({ ge: 1 }).describe('Number of the older version'),
    to: field.int({ ge: 1 }).optional().describe('Absent for the newest version'),
  }),
  responses: { 200: { description: 'The differences', schema: versionDiff }, 404: missing },
});

export const restoreVersion = endpoint({
  id: 'restore_entity_version',
  method: 'POST',
  path: '/entities/{entity_id}/versions/{version}/restore',
  guard: 'write',
  tag: 'version',
  summary: 'Restore an earlier version of the entity with its file, as a new version',
  params: entityParams.extend({ version: field.int() }),
  responses: {
    200: one,
    404: { description: 'The entity or version does not exist' },
    409: { description: 'Another live entity has the bytes of that version' },
    422: { description: 'The parent of that version is not available any more' },
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
