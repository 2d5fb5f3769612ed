/** Vectors in the database. They are written in the transactions that store results, and read by search. */

import { type Database, notFound } from '@cl-server/service-kit';
import type { InsightTables } from '../database/tables.js';
import type { InsightDatabase, InsightTransaction } from '../port.js';
import { bitsToBuffer, signBits } from './codes.js';

export interface VectorKey {
  readonly kind: string;
  readonly model: string;
  readonly entityId: number;
  readonly subject: number;
}

export interface CodeRow {
  readonly vector_id: number;
  readonly entity_id: number;
  readonly bits: Uint8Array;
}

export interface StoredVector {
  readonly id: number;
  readonly entity_id: number;
  readonly subject: number;
  readonly vector: Float32Array;
}

export const toFloats = (data: Uint8Array): Float32Array => {
  const aligned = new Uint8Array(data); // A view into a larger buffer may begin at any byte.
  return new Float32Array(aligned.buffer, 0, aligned.byteLength >>> 2);
};

const toBytes = (vector: Float32Array): Buffer => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);

type Db = InsightDatabase | InsightTransaction;

/** Stores a vector and deletes an earlier one of the same subject and model. */
export async function putVector(db: Db, key: VectorKey, vector: Float32Array): Promise<void> {
  const { kind, model, entityId, subject } = key;
  await db
    .deleteFrom('vectors')
    .where('entity_id', '=', entityId)
    .where('kind', '=', kind)
    .where('model', '=', model)
    .where('subject', '=', subject)
    .execute();
  const { id } = await db
    .insertInto('vectors')
    .values({ kind, model, entity_id: entityId, subject, data: toBytes(vector) })
    .returning('id')
    .executeTakeFirstOrThrow();
  await db
    .insertInto('vector_codes')
    .values({ vector_id: id, kind, model, entity_id: entityId, subject, bits: bitsToBuffer(signBits(vector)) })
    .execute();
}

/** The model whose vectors searches use; undefined if there is none yet. */
export async function activeModel(
  db: Db,
  kind: string,
): Promise<{ readonly model: string; readonly dimension: number } | undefined> {
  return db.selectFrom('vector_models').select(['model', 'dimension']).where('kind', '=', kind).executeTakeFirst();
}

export class VectorStore {
  readonly #db: InsightDatabase;

  constructor(database: Database<InsightTables>) {
    this.#db = database.kysely;
  }

  active(kind: string): ReturnType<typeof activeModel> {
    return activeModel(this.#db, kind);
  }

  /** Codes made after a known one, in order. */
  codesAfter(kind: string, model: string, afterId: number, limit: number): Promise<CodeRow[]> {
    return this.#db
      .selectFrom('vector_codes')
      .select(['vector_id', 'entity_id', 'bits'])
      .where('kind', '=', kind)
      .where('model', '=', model)
      .where('vector_id', '>', afterId)
      .orderBy('vector_id')
      .limit(limit)
      .execute();
  }

  /** The ids that still exist. */
  async byIds(ids: readonly number[]): Promise<StoredVector[]> {
    if (ids.length === 0) return [];
    const rows = await this.#db
      .selectFrom('vectors')
      .select(['id', 'entity_id', 'subject', 'data'])
      .where('id', 'in', [...ids])
      .execute();
    return rows.map(({ data, ...row }) => ({ ...row, vector: toFloats(data) }));
  }

  /** Vectors of one subject of the active model: of an entity all frames, of a face one. */
  async of(kind: string, entityId: number, subject?: number): Promise<Float32Array[]> {
    const active = await this.active(kind);
    if (!active) return [];
    let query = this.#db
      .selectFrom('vectors')
      .select('data')
      .where('entity_id', '=', entityId)
      .where('kind', '=', kind)
      .where('model', '=', active.model)
      .orderBy('subject');
    if (subject !== undefined) query = query.where('subject', '=', subject);
    return (await query.execute()).map(({ data }) => toFloats(data));
  }

  /** @throws HttpError 404 with the given message */
  async one(kind: string, entityId: number, subject: number, missing: string): Promise<Float32Array> {
    const [vector] = await this.of(kind, entityId, subject);
    if (!vector) throw notFound(missing);
    return vector;
  }
}
