/** Corrections of persons. What a user decides about faces always takes precedence over the clustering. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import { listOf, listQuery } from '../http/list.js';
import { milliseconds } from './fields.js';
import { face, knownPerson } from './intelligence.js';

const personParams = z.object({ person_id: field.int() });
const person = { description: 'The person', schema: knownPerson };
const missing = { description: 'The person does not exist' };

export const PERSON_DECISIONS = ['name', 'hide', 'merge', 'split', 'move'] as const;

/** A decision of a user; lists have the newest first. Each decision can be undone. */
export const personDecision = z
  .object({
    id: z.int(),
    kind: z.enum(PERSON_DECISIONS),
    person_id: z.int().nullable(),
    face_ids: z.array(z.int()),
    decided_at: milliseconds,
    decided_by: z.string().nullable(),
    undone: z.boolean(),
  })
  .meta({ id: 'PersonDecision' });
export type PersonDecision = z.infer<typeof personDecision>;

export const hideKnownPerson = endpoint({
  id: 'hide_known_person',
  method: 'PUT',
  path: '/intelligence/known-persons/{person_id}/hidden',
  guard: 'write',
  tag: 'persons',
  summary: 'Hide a person from the list, or show them again',
  params: personParams,
  form: z.object({ hidden: field.bool().meta({ example: true }) }),
  responses: { 200: person, 404: missing },
});

export const mergeKnownPersons = endpoint({
  id: 'merge_known_persons',
  method: 'POST',
  path: '/intelligence/known-persons/{person_id}/merge',
  guard: 'write',
  tag: 'persons',
  summary: 'Merge other persons into this one: their faces move here, and the others are deleted',
  params: personParams,
  json: z.object({
    person_ids: z
      .array(z.int())
      .min(1)
      .max(1_000)
      .meta({ example: [2, 5] }),
  }),
  responses: { 200: person, 404: missing, 422: { description: 'A person cannot be merged with itself' } },
});

export const splitKnownPerson = endpoint({
  id: 'split_known_person',
  method: 'POST',
  path: '/intelligence/known-persons/{person_id}/split',
  guard: 'write',
  tag: 'persons',
  summary: 'Split some faces of a person off into a new person',
  params: personParams,
  json: z.object({
    face_ids: z
      .array(z.int())
      .min(1)
      .max(10_000)
      .meta({ example: [10, 11] }),
    name: z.string().normalize('NFC').min(1).max(255).optional().meta({ example: 'Bea' }),
  }),
  maxBody: 262_144,
  responses: {
    201: { description: 'The new person', schema: knownPerson },
    404: missing,
    422: { description: 'A face does not belong to this person, or the request names all of the person’s faces' },
  },
});

export const moveFace = endpoint({
  id: 'move_face',
  method: 'PUT',
  path: '/intelligence/faces/{face_id}/person',
  guard: 'write',
  tag: 'persons',
  summary: 'Assign a face to a person, or with null to nobody',
  params: z.object({ face_id: field.int() }),
  json: z.object({
    person_id: z.int().nullable().meta({ example: 1 }),
  }),
  responses: {
    200: { description: 'The face', schema: face },
    404: { description: 'The face or person does not exist' },
  },
});

export const listPersonDecisions = endpoint({
  id: 'list_person_decisions',
  method: 'GET',
  path: '/intelligence/person-decisions',
  guard: 'read',
  tag: 'persons',
  summary: 'List the decisions about persons',
  query: z.object({ ...listQuery }),
  responses: { 200: { description: 'A page', schema: listOf(personDecision) } },
});

export const undoPersonDecision = endpoint({
  id: 'undo_person_decision',
  method: 'POST',
  path: '/intelligence/person-decisions/{decision_id}/undo',
  guard: 'write',
  tag: 'persons',
  summary: 'Undo a decision',
  params: z.object({ decision_id: field.int() }),
  responses: {
    200: { description: 'The undone decision', schema: personDecision },
    404: { description: 'The decision does not exist' },
    409: {
      description: 'The decision is already undone, or a later decision about the same faces must be undone first',
    },
  },
});

export const personEndpoints: readonly AnyEndpoint[] = [
  hideKnownPerson,
  mergeKnownPersons,
  splitKnownPerson,
  moveFace,
  listPersonDecisions,
  undoPersonDecision,
];
