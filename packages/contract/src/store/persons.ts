/** People: what a person says of faces beats what the clustering thinks, for ever. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import { listOf, listQuery } from '../http/list.js';
import { milliseconds } from './fields.js';
import { face, knownPerson } from './intelligence.js';

const personParams = z.object({ person_id: field.int() });
const person = { description: 'The person', schema: knownPerson };
const missing = { description: 'No such person' };

export const PERSON_DECISIONS = ['name', 'hide', 'merge', 'split', 'move'] as const;

/** One thing that somebody decided, newest first in lists; each can be taken back. */
export const personDecision = z.object({
  id: z.int(),
  kind: z.enum(PERSON_DECISIONS),
  person_id: z.int().nullable(),
  face_ids: z.array(z.int()),
  decided_at: milliseconds,
  decided_by: z.string().nullable(),
  undone: z.boolean(),
});
export type PersonDecision = z.infer<typeof personDecision>;

export const hideKnownPerson = endpoint({
  id: 'hide_known_person',
  method: 'PUT',
  path: '/intelligence/known-persons/{person_id}/hidden',
  guard: 'write',
  tag: 'persons',
  summary: 'Leave a person out of the list, or show them again',
  params: personParams,
  form: z.object({ hidden: field.bool() }),
  responses: { 200: person, 404: missing },
});

export const mergeKnownPersons = endpoint({
  id: 'merge_known_persons',
  method: 'POST',
  path: '/intelligence/known-persons/{person_id}/merge',
  guard: 'write',
  tag: 'persons',
  summary: 'Say that other persons are this one: their faces move here, they are gone',
  params: personParams,
  json: z.object({ person_ids: z.array(z.int()).min(1).max(1_000) }),
  responses: { 200: person, 404: missing, 422: { description: 'A person cannot be merged with itself' } },
});

export const splitKnownPerson = endpoint({
  id: 'split_known_person',
  method: 'POST',
  path: '/intelligence/known-persons/{person_id}/split',
  guard: 'write',
  tag: 'persons',
  summary: 'Say that some of a person’s faces are somebody else: they become a new person',
  params: personParams,
  json: z.object({
    face_ids: z.array(z.int()).min(1).max(10_000),
    name: z.string().normalize('NFC').min(1).max(255).optional(),
  }),
  maxBody: 262_144,
  responses: {
    201: { description: 'The new person', schema: knownPerson },
    404: missing,
    422: { description: 'A face is not this person’s, or all of them were named' },
  },
});

export const moveFace = endpoint({
  id: 'move_face',
  method: 'PUT',
  path: '/intelligence/faces/{face_id}/person',
  guard: 'write',
  tag: 'persons',
  summary: 'Say whose face it is: a person’s, or with null nobody’s that is known',
  params: z.object({ face_id: field.int() }),
  json: z.object({ person_id: z.int().nullable() }),
  responses: { 200: { description: 'The face', schema: face }, 404: { description: 'No such face or person' } },
});

export const listPersonDecisions = endpoint({
  id: 'list_person_decisions',
  method: 'GET',
  path: '/intelligence/person-decisions',
  guard: 'read',
  tag: 'persons',
  summary: 'What was decided about persons',
  query: z.object({ ...listQuery }),
  responses: { 200: { description: 'A page', schema: listOf(personDecision) } },
});

export const undoPersonDecision = endpoint({
  id: 'undo_person_decision',
  method: 'POST',
  path: '/intelligence/person-decisions/{decision_id}/undo',
  guard: 'write',
  tag: 'persons',
  summary: 'Take a decision back',
  params: z.object({ decision_id: field.int() }),
  responses: {
    200: { description: 'The decision, undone', schema: personDecision },
    404: { description: 'No such decision' },
    409: { description: 'It was undone already, or a later decision about the same faces stands in the way' },
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
