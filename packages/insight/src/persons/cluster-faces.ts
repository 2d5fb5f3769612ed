/** Assigns persons to the faces that have a vector and no person yet. */

import { FACE_CERTAIN } from '@cl-server/contract';
import { sql } from 'kysely';
import { faceEmbedding } from '../built-in/face-embedding.js';
import type { InsightDatabase, InsightTransaction, RunWrite } from '../port.js';
import type { NeighbourSearch } from '../vectors/neighbour-search.js';
import { activeModel, toFloats } from '../vectors/vector-store.js';
import { type AssignRules, candidates, joined, type Neighbour } from './assign.js';

/** Faces below this quality are never matched automatically; a user can still assign them. */
const MIN_QUALITY = 0.15;
const NEIGHBOURS = 40;
const KIND = faceEmbedding.vector.kind;
/** Faces assigned in one turn. */
const BATCH_SIZE = 100;

export interface AssignOptions {
  readonly db: InsightDatabase;
  readonly write: RunWrite;
  readonly index: NeighbourSearch;
  readonly rules: AssignRules;
}

interface Face {
  readonly id: number;
  readonly entity_id: number;
  readonly quality: number;
  readonly data: Uint8Array;
}

/** Undecided faces without a person that are good enough to be matched. The best come first and start the persons. */
async function openFaces(db: InsightDatabase, model: string): Promise<Face[]> {
  return (
    db
      .selectFrom('faces')
      .innerJoin('vectors', (join) =>
        join
          .onRef('vectors.subject', '=', 'faces.id')
          .onRef('vectors.entity_id', '=', 'faces.entity_id')
          .on('vectors.kind', '=', KIND)
          .on('vectors.model', '=', model),
      )
      .select(['faces.id', 'faces.entity_id', 'faces.quality', 'vectors.data'])
      .where('faces.person_id', 'is', null)
      .where('faces.is_decided', '=', sql.lit(0))
      .where('faces.quality', '>=', MIN_QUALITY)
      // A doubtful face may be a painted face, or not a face.
      .where('faces.confidence', '>=', FACE_CERTAIN)
      .orderBy('faces.quality', 'desc')
      .orderBy('faces.id')
      .limit(BATCH_SIZE)
      .execute()
  );
}

type Trx = InsightTransaction;

/** Persons of the other faces in the photo. */
async function personsIn(db: Trx, entityId: number): Promise<Set<number>> {
  const rows = await db
    .selectFrom('faces')
    .select('person_id')
    .where('entity_id', '=', entityId)
    .where('person_id', 'is not', null)
    .execute();
  return new Set(rows.flatMap(({ person_id }) => (person_id === null ? [] : [person_id])));
}

async function withPersons(
  db: Trx,
  neighbours: readonly { readonly subject: number; readonly score: number }[],
): Promise<Neighbour[]> {
  if (neighbours.length === 0) return [];
  const rows = await db
    .selectFrom('faces')
    .select(['id', 'person_id', 'quality'])
    .where(
      'id',
      'in',
      neighbours.map(({ subject }) => subject),
    )
    .execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  return neighbours.flatMap(({ subject, score }) => {
    const row = byId.get(subject);
    return row && row.person_id !== null
      ? [{ faceId: row.id, personId: row.person_id, score, quality: row.quality }]
      : [];
  });
}

/** Merges two persons unless a user decided on both, or both appear in one photo. @returns the one that stays */
async function joinPersons(db: Trx, [a, b]: readonly [number, number], now: number): Promise<number | undefined> {
  const persons = await db.selectFrom('persons').selectAll().where('id', 'in', [a, b]).execute();
  const [keep, drop] = persons.sort((x, y) => y.is_decided - x.is_decided || x.id - y.id);
  if (!keep || !drop || drop.is_decided === 1) return undefined;
  const together = await db
    .selectFrom('faces as one')
    .innerJoin('faces as other', 'other.entity_id', 'one.entity_id')
    .select('one.id')
    .where('one.person_id', '=', keep.id)
    .where('other.person_id', '=', drop.id)
    .limit(1)
    .executeTakeFirst();
  const decided = await db
    .selectFrom('faces')
    .select('id')
    .where('person_id', '=', drop.id)
    .where('is_decided', '=', 1)
    .limit(1)
    .executeTakeFirst();
  if (together || decided) return undefined;
  await db.updateTable('faces').set({ person_id: keep.id }).where('person_id', '=', drop.id).execute();
  await db.deleteFrom('persons').where('id', '=', drop.id).execute();
  await db.updateTable('persons').set({ updated_at: now }).where('id', '=', keep.id).execute();
  return keep.id;
}

async function newPerson(db: Trx, now: number): Promise<number> {
  const { id } = await db
    .insertInto('persons')
    .values({ name: null, is_hidden: 0, is_decided: 0, created_at: now, updated_at: now })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** @returns how many faces were assigned */
export async function assignFaces({ db, write, index, rules }: AssignOptions): Promise<number> {
  const active = await activeModel(db, KIND);
  if (!active) return 0;
  const faces = await openFaces(db, active.model);
  for (const face of faces) {
    const found = await index.search({ kind: KIND, vectors: [toFloats(face.data)], count: NEIGHBOURS });
    const near = (found?.neighbours ?? []).filter(({ subject }) => subject !== face.id);
    await write(null, async ({ db: trx, now }) => {
      const present = await personsIn(trx, face.entity_id);
      const possible = candidates(await withPersons(trx, near), present, rules);
      const pair = joined(possible, rules);
      const person =
        (pair && (await joinPersons(trx, pair, now))) ?? possible[0]?.personId ?? (await newPerson(trx, now));
      await trx
        .updateTable('faces')
        .set({ person_id: person })
        .where('id', '=', face.id)
        .where('person_id', 'is', null)
        .where('is_decided', '=', 0)
        .execute();
      await trx.updateTable('persons').set({ updated_at: now }).where('id', '=', person).execute();
    });
  }
  return faces.length;
}

/** Deletes the persons without faces on which no user decided anything. */
export async function dropEmptyPersons(db: InsightDatabase, write: RunWrite): Promise<void> {
  const empty = (from: InsightDatabase | Trx) =>
    from
      .selectFrom('persons')
      .select('id')
      .where('is_decided', '=', 0)
      .where((eb) =>
        eb.not(eb.exists(eb.selectFrom('faces').select('faces.id').whereRef('faces.person_id', '=', 'persons.id'))),
      )
      .limit(BATCH_SIZE);
  if (!(await empty(db).executeTakeFirst())) return;
  await write(null, async ({ db: trx }) => {
    const ids = (await empty(trx).execute()).map(({ id }) => id);
    if (ids.length > 0) await trx.deleteFrom('persons').where('id', 'in', ids).execute();
  });
}
