/**
 * The definition of an insight: one thing to find out about each entity, by jobs of one task. It is one descriptor; planning,
 * dispatch, collection, model switches, status, events, vectors, search and clean-up all read it from the registry.
 */
import type { getClipEmbedding, getDinoEmbedding, ModelRole } from '@cl-server/contract';
import type { Collect } from './collect-context.js';
import type { InsightInput } from './inputs.js';

export interface InsightVector {
  /** Name of the vectors: in the database, and as `by` in searches. */
  readonly kind: string;
  /** The name of the vector in the message that an entity has none. */
  readonly title: string;
  /** A task that makes a vector of the same space from a text: text searches use it. */
  readonly textTask?: string;
  /** An endpoint of its own from which the vector of an entity is downloaded. */
  readonly download?: typeof getClipEmbedding | typeof getDinoEmbedding;
}

export interface InsightDefinition {
  /** Name in `inference_status`, in status events and in the database. */
  readonly name: string;
  /** Task whose jobs compute it. */
  readonly task: string;
  /** Parameters of the task that differ from its defaults. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** Role of the model that the task uses. A result of another model than the one that serves this role is made again. */
  readonly model?: ModelRole;
  /** For an insight without a model: another version than that of a result makes it again. */
  readonly version?: string;
  /** Types of entities that have the insight, and the input of its jobs. */
  readonly appliesTo: Readonly<Record<string, InsightInput>>;
  /** Another insight that finds the subjects of this one, and plans it when it stores them. */
  readonly follows?: string;
  /** Key in `inference_status` and in status events, if it is not the name. */
  readonly statusKey?: string;
  /** Returns the value that is stored of a job's result. Default: the task's output, unchanged. */
  readonly collect?: Collect;
  /** The vector that `collect` returns. */
  readonly vector?: InsightVector;
  /** The insight stores perceptual hashes; the name as `by` in searches. */
  readonly fingerprint?: string;
}

export type Insight = Readonly<InsightDefinition>;

const NAME = /^[a-z][a-z0-9_]{0,63}$/;
/** Shorter than a name: it is part of the names of indexes. */
const VECTOR_KIND = /^[a-z][a-z0-9_]{0,30}$/;

/**
 * Checks a descriptor.
 * @throws Error that says what is wrong with it
 */
export function defineInsight<const D extends InsightDefinition>(definition: D): D {
  const { name, task, model, version, appliesTo, vector } = definition;
  if (!NAME.test(name))
    throw new Error(`insight name "${name}" must be lower-case letters, digits and _, beginning with a letter`);
  if (!NAME.test(task)) throw new Error(`insight ${name}: "${task}" is no name of a task`);
  if (Object.keys(appliesTo).length === 0) throw new Error(`insight ${name} applies to no type of entity`);
  if (model !== undefined && version !== undefined)
    throw new Error(`insight ${name} has a model and a version: the version is that of the model`);
  if (vector && !VECTOR_KIND.test(vector.kind))
    throw new Error(`insight ${name}: vector kind "${vector.kind}" must be 1 to 31 lower-case letters, digits and _`);
  if (vector && model === undefined && version === undefined)
    throw new Error(`insight ${name} has a vector: give it a model or a version, so that only equal ones are compared`);
  return Object.freeze(definition);
}
