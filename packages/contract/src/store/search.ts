/** Search by text, by picture, by entity and by face, and near duplicates. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import { entity, entityQuery } from './entity.js';
import { entityParams } from './fields.js';
import { face } from './intelligence.js';

/**
 * Built-in kinds of similarity: of the subject (CLIP), of the appearance (DINO), or of nearly identical pictures (perceptual hash).
 * Insights of plugins add their own.
 */
export const SIMILARITIES = ['clip', 'dino', 'phash'] as const;
// Intersected with an empty object, so that editors still offer the built-in names.
export type SimilarityKind = (typeof SIMILARITIES)[number] | (string & {});

const by = field
  .text({ min: 1, max: 64 })
  .transform((name): SimilarityKind => name)
  .meta({ type: 'string', maxLength: 64, examples: [...SIMILARITIES] })
  .describe(
    '`clip` compares the content, `dino` the appearance, `phash` finds nearly identical pictures; other names are vectors of plugins’ insights',
  )
  .default('clip');

const score = z.number().min(0).max(1).describe('Similarity, 0 to 1; 1 is the same');

/** The filters of the entity list, without its paging. */
const {
  page: _page,
  page_size: _size,
  cursor: _cursor,
  version: _version,
  filter_param: _param,
  ...filters
} = entityQuery.shape;

/** An empty result differs from a search that was not possible; the notice explains the latter. */
const notice = z
  .string()
  .nullable()
  .optional()
  .describe('Why the search was not possible, and what to do; null or absent if it was');

const paging = {
  limit: field.int({ ge: 1, le: 100 }).default(20).describe('Number of results of a page'),
  score_threshold: field.float({ ge: 0, le: 1 }).optional().describe('Only results with at least this similarity'),
  cursor: field.filter(200).describe('`next_cursor` of the previous page; absent for the first page'),
};

export const searchResult = z.object({ entity_id: z.int(), score, entity }).meta({ id: 'SearchResult' });
export type SearchResult = z.infer<typeof searchResult>;

export const searchResults = z
  .object({
    results: z.array(searchResult),
    next_cursor: z.string().nullable(),
    model_id: z.string().nullable().describe('The model whose vectors were compared; null if there are no vectors yet'),
    notice,
  })
  .meta({ id: 'SearchResults' });
export type SearchResults = z.infer<typeof searchResults>;

export const similarEntities = searchResults.extend({ query_entity_id: z.int() }).meta({ id: 'SimilarEntities' });
export type SimilarEntities = z.infer<typeof similarEntities>;

export const similarFace = z
  .object({
    face_id: z.int(),
    score,
    known_person_id: z.int().nullable(),
    face,
    entity,
  })
  .meta({ id: 'SimilarFace' });

export const similarFaces = z
  .object({
    query_face_id: z.int(),
    results: z.array(similarFace),
    next_cursor: z.string().nullable(),
    model_id: z.string().nullable(),
    notice,
  })
  .meta({ id: 'SimilarFaces' });
export type SimilarFaces = z.infer<typeof similarFaces>;

export const duplicateGroup = z
  .object({
    /** The largest picture first, then the largest file, then the oldest. */
    entities: z.array(entity),
    best_entity_id: z.int().describe('The entity worth keeping'),
    similarity: score.describe('Similarity of the two least similar entities that are linked directly'),
  })
  .meta({ id: 'DuplicateGroup' });
export type DuplicateGroup = z.infer<typeof duplicateGroup>;

const notReady = { description: 'The model did not answer in time; retry after the time in `Retry-After`' };

export const searchByText = endpoint({
  id: 'search_by_text',
  method: 'GET',
  path: '/intelligence/search',
  guard: 'read',
  tag: 'search',
  summary: 'Search pictures and videos by a description of their content',
  query: z.object({
    text: field.text({ min: 1, max: 2_000 }).describe('What the pictures should show, in English'),
    ...paging,
    ...filters,
  }),
  responses: { 200: { description: 'The results, the best first', schema: searchResults }, 503: notReady },
});

export const searchByPicture = endpoint({
  id: 'search_by_picture',
  method: 'POST',
  path: '/intelligence/search',
  guard: 'read',
  tag: 'search',
  summary: 'Search entities that resemble an uploaded picture, which is not stored',
  query: z.object({ ...paging, ...filters }),
  form: z.object({ by }),
  files: { file: { required: true, description: 'The picture' } },
  responses: { 200: { description: 'The results, the best first', schema: searchResults }, 503: notReady },
});

export const getSimilarEntities = endpoint({
  id: 'get_similar_entities',
  method: 'GET',
  path: '/intelligence/entities/{entity_id}/similar',
  guard: 'read',
  tag: 'search',
  summary: 'Find entities that resemble this one',
  params: entityParams,
  query: z.object({ by, ...paging, ...filters }),
  responses: {
    200: { description: 'The results, the best first; empty if the entity has no vector yet', schema: similarEntities },
    404: { description: 'The entity does not exist' },
  },
});

export const getSimilarFaces = endpoint({
  id: 'get_similar_faces',
  method: 'GET',
  path: '/intelligence/faces/{face_id}/similar',
  guard: 'read',
  tag: 'search',
  summary: 'Find faces that resemble this one',
  params: z.object({ face_id: field.int() }),
  query: z.object({ ...paging, ...filters }),
  responses: {
    200: { description: 'The results, the best first; empty if the face has no vector yet', schema: similarFaces },
    404: { description: 'The face does not exist' },
  },
});

export const listDuplicates = endpoint({
  id: 'list_duplicates',
  method: 'GET',
  path: '/intelligence/duplicates',
  guard: 'read',
  tag: 'search',
  summary: 'Find groups of near-duplicate pictures, each with the one worth keeping',
  query: z.object({
    limit: field.int({ ge: 1, le: 100 }).default(20).describe('Number of results of a page'),
    cursor: field.filter(200).describe('`next_cursor` of the previous page; absent for the first page'),
    distance: field
      .int({ ge: 0, le: 16 })
      .default(6)
      .describe('Maximum number of the 64 bits in which two pHashes may differ'),
  }),
  responses: {
    200: {
      description: 'Groups',
      schema: z.object({ items: z.array(duplicateGroup), next_cursor: z.string().nullable(), total: z.int() }),
    },
  },
});

export const searchEndpoints: readonly AnyEndpoint[] = [
  searchByText,
  searchByPicture,
  getSimilarEntities,
  getSimilarFaces,
  listDuplicates,
];
